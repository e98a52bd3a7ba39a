"""Body mass of Palmer penguins by species: means, and its slope on flipper length."""

import csv
import statistics
from pathlib import Path

here = Path(__file__).parent
with (here / "data" / "penguins.csv").open(newline="") as file:
    penguins = [row for row in csv.DictReader(file) if row["body_mass_g"] not in ("", "NA")]

lines = ["species,penguins,mean_mass_g,slope_g_per_mm"]
for species in sorted({row["species"] for row in penguins}):
    group = [row for row in penguins if row["species"] == species]
    mass = [float(row["body_mass_g"]) for row in group]
    flipper = [float(row["flipper_length_mm"]) for row in group]
    slope = statistics.linear_regression(flipper, mass).slope
    lines.append(f"{species},{len(group)},{statistics.fmean(mass):.0f},{slope:.1f}")

print("\n".join(lines))
try:
    (here / "results").mkdir(exist_ok=True)
    (here / "results" / "mass_by_species.csv").write_text("\n".join(lines) + "\n")
except OSError as error:
    print(f"(results not written: {error})")
