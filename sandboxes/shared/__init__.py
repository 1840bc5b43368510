"""Memory that several guests of one cell use at the same time: `atomics`, `array`."""
