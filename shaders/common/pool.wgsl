// Pooling: POOLINGS of the kernel table, and which rows of a sequence count.

const MEAN = 0u;
const CLS = 1u;
const MAX = 2u;
const MEAN_SQRT = 3u;
const WEIGHTED = 4u;

// The first row that counts, of those of a sequence.
fn first_row(sequence: u32, begin: u32, end: u32) -> u32 {
  if (params.has_starts == 0u) {
    return begin;
  }
  return min(begin + u32(starts[sequence]), end);
}

// What a sum over `rows` rows, the first at `position` of its sequence, is divided by.
fn divisor(position: u32, rows: u32) -> f32 {
  switch params.mode {
    case MEAN: { return f32(max(rows, 1u)); }
    case MEAN_SQRT: { return sqrt(f32(max(rows, 1u))); }
    default: { return 0.5 * f32(2u * position + rows + 1u) * f32(max(rows, 1u)); }
  }
}
