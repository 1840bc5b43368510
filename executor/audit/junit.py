"""A report as JUnit XML, for machines that collect tests. Pure."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from executor.audit.report import Report, Result, Status


def to_junit(report: Report) -> str:
    """Return a test suite for each kind, a test for each attack."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', '<testsuites name="cellblock audit">']
    for kind in report.kinds:
        results = [result for result in report.results if result.kind == kind]
        counts = {
            "tests": len(results),
            "failures": sum(r.status is Status.BIT for r in results),
            "errors": sum(r.status in (Status.TOOTHLESS, Status.FAILED) for r in results),
            "skipped": sum(r.status in (Status.SKIPPED, Status.NOT_PROMISED) for r in results),
        }
        numbers = " ".join(f'{name}="{count}"' for name, count in counts.items())
        time = f'time="{sum(r.seconds for r in results):.3f}" timestamp={quoteattr(report.began)}'
        lines.append(f'  <testsuite name="{kind}" {numbers} {time}>')
        for result in results:
            lines += _case(result)
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _case(result: Result) -> list[str]:
    named = f"classname={quoteattr(f'cellblock.{result.kind}.{result.guarantee}')}"
    head = f'<testcase {named} name={quoteattr(result.id)} time="{result.seconds:.3f}"'
    what = quoteattr(f"{result.title}: {result.evidence}")
    match result.status:
        case Status.HELD:
            return [f"    {head}/>"]
        case Status.BIT:
            inner = f'<failure type="bit" message={what}/>'
        case Status.SKIPPED | Status.NOT_PROMISED:
            inner = f"<skipped message={quoteattr(result.evidence)}/>"
        case _:
            inner = f"<error type={quoteattr(result.status.value)} message={what}/>"
    return [f"    {head}>{inner}</testcase>"]
