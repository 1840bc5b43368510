"""CPython and other WASI programs in WebAssembly, on wasmtime."""
