"""Does the universe expand? Edwin Hubble's measurements of 1929, analysed again.

A guest script: nothing but the standard library, no files, no network. Run it in a sandbox with

    cellblock run examples/analyse.py

It fits a line through distance and speed of 24 galaxies, asks 1,000 resampled data sets how far
that line can be trusted, and draws what it found. It takes the number of resamplings as an
argument.

The data are table 1 of E. Hubble, "A relation between distance and radial velocity among
extra-galactic nebulae", Proceedings of the National Academy of Sciences 15 (1929).
"""

import csv
import random
import sys
from collections.abc import Callable, Iterator
from statistics import correlation, fmean, linear_regression, quantiles, stdev

# Distance in megaparsecs; speed away from us in kilometres per second, negative if it approaches.
GALAXIES = """\
name,distance,speed
Small Magellanic Cloud,0.032,170
Large Magellanic Cloud,0.034,290
NGC 6822,0.214,-130
NGC 598,0.263,-70
NGC 221,0.275,-185
NGC 224,0.275,-220
NGC 5457,0.45,200
NGC 4736,0.5,290
NGC 5194,0.5,270
NGC 4449,0.63,200
NGC 4214,0.8,300
NGC 3031,0.9,-30
NGC 3627,0.9,650
NGC 4826,0.9,150
NGC 5236,0.9,500
NGC 1068,1.0,920
NGC 5055,1.1,450
NGC 7331,1.1,500
NGC 4258,1.4,500
NGC 4151,1.7,960
NGC 4382,2.0,500
NGC 4472,2.0,850
NGC 4486,2.0,800
NGC 4649,2.0,1090
"""
KM_PER_MEGAPARSEC = 3.0857e19
SECONDS_PER_BILLION_YEARS = 3.15576e16


def bootstrap(distances: list[float], speeds: list[float], times: int) -> list[float]:
    """Return the slopes of `times` fits through samples drawn with replacement."""
    points = list(zip(distances, speeds, strict=True))
    draw = random.Random(1929)
    slopes = []
    for _ in range(times):
        sample = draw.choices(points, k=len(points))
        mean_x, mean_y = fmean(x for x, _ in sample), fmean(y for _, y in sample)
        spread = sum((x - mean_x) ** 2 for x, _ in sample)
        slopes.append(sum((x - mean_x) * (y - mean_y) for x, y in sample) / spread)
    return slopes


def plot(
    distances: list[float],
    speeds: list[float],
    line: Callable[[float], float],
    width: int = 60,
    height: int = 16,
) -> Iterator[str]:
    """Yield the lines of a plot: `o` for a galaxy, `.` for `line`."""
    low, high = min(speeds), max(speeds)
    grid = [[" "] * (width + 1) for _ in range(height + 1)]

    def put(distance: float, speed: float, mark: str) -> None:
        row = round((high - speed) / (high - low) * height)
        if 0 <= row <= height:
            grid[row][round(distance / max(distances) * width)] = mark

    for column in range(width + 1):
        distance = column / width * max(distances)
        put(distance, line(distance), ".")
    for distance, speed in zip(distances, speeds, strict=True):
        put(distance, speed, "o")
    for number, row in enumerate(grid):
        label = f"{high - number / height * (high - low):6.0f}" if number % 4 == 0 else ""
        yield f"{label:>6} |{''.join(row).rstrip()}"
    yield f"{'':6} +{'-' * width}"
    yield f"{'km/s':>6}  0{f'{max(distances):g} Mpc':>{width - 1}}"


def main() -> None:
    """Print the analysis."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rows = list(csv.DictReader(GALAXIES.splitlines()))
    distances = [float(row["distance"]) for row in rows]
    speeds = [float(row["speed"]) for row in rows]
    slope, intercept = linear_regression(distances, speeds)
    slopes = bootstrap(distances, speeds, times)
    cuts = quantiles(slopes, n=40)
    age = KM_PER_MEGAPARSEC / slope / SECONDS_PER_BILLION_YEARS

    print(f"{'':20}{'mean':>9}{'deviation':>11}{'least':>9}{'most':>9}")
    for title, values in (("distance, Mpc", distances), ("speed, km/s", speeds)):
        summary = (fmean(values), stdev(values), min(values), max(values))
        print(f"{title:<20}{summary[0]:9.2f}{summary[1]:11.2f}{summary[2]:9.2f}{summary[3]:9.2f}")
    print()
    print(*plot(distances, speeds, lambda distance: slope * distance + intercept), sep="\n")
    print()
    print(f"speed = {slope:.0f} km/s/Mpc * distance {intercept:+.0f} km/s")
    print(f"correlation {correlation(distances, speeds):.2f}, {len(rows)} galaxies")
    print(
        f"95 % of {len(slopes):,} resampled slopes lie in {cuts[0]:.0f} to {cuts[-1]:.0f} km/s/Mpc"
    )
    print(f"All of it in one place: {age:.1f} billion years ago.")
    print("(Today's value is near 70 km/s/Mpc, 14 billion years: the galaxies are far more")
    print("distant than Hubble could know.)")


main()
