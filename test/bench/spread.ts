export interface Spread {
  readonly least: number;
  readonly lowerQuarter: number;
  readonly median: number;
  readonly upperQuarter: number;
  readonly most: number;
}

/** Of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((first, second) => first - second);
  const at = (part: number): number => {
    const index = part * (sorted.length - 1);
    return (sorted[Math.floor(index)]! + sorted[Math.ceil(index)]!) / 2;
  };
  return { least: at(0), lowerQuarter: at(0.25), median: at(0.5), upperQuarter: at(0.75), most: at(1) };
}
