// The k best of each row of scores and, unless fresh, of what values and indices hold: value descending, ties by the
// lower index. Exact, by radix selection: candidates are pairs of words (ordered score, ~index), all distinct; byte by
// byte from the top, a histogram narrows down the k-th greatest; what is not below it is collected and sorted
// (bitonic). One workgroup a row. All on bits: a WGSL compiler may assume that there are no NaNs and infinities. NaN
// counts as −∞; missing entries are (−∞, −1).

struct Params {
  rows: u32,
  columns: u32,
  k: u32,
  first: u32,
  fresh: u32,
}

@group(0) @binding(0) var<storage, read> scores: array<u32>; // (rows, columns), bits of f32
@group(0) @binding(1) var<storage, read_write> values: array<u32>; // (rows, k), bits of f32
@group(0) @binding(2) var<storage, read_write> indices: array<i32>; // (rows, k)
@group(0) @binding(3) var<uniform> params: Params;

const SIZE = 256u; // invocations, and values of a byte
const MAX_K = 1024u;
const SIGN = 0x80000000u;
const INFINITY = 0x7f800000u;

var<workgroup> histogram: array<atomic<u32>, SIZE>;
var<workgroup> above: array<u32, SIZE + 1>; // candidates with this byte or a greater one
var<workgroup> chosen: u32; // the byte of the k-th greatest
var<workgroup> best: array<vec2<u32>, MAX_K>;
var<workgroup> collected: atomic<u32>;

// Greater score, greater word; −0 equals 0, NaN equals −∞.
fn ordered(bits: u32) -> u32 {
  var x = bits;
  if ((x & ~SIGN) > INFINITY) {
    x = SIGN | INFINITY;
  } else if (x == SIGN) {
    x = 0u;
  }
  return select(x | SIGN, ~x, (x & SIGN) != 0u);
}

fn score_bits(word: u32) -> u32 {
  return select(~word, word & ~SIGN, (word & SIGN) != 0u);
}

// Candidate t of a row: k earlier results, then the columns. (0, 0), below every real one, where there is none.
fn candidate(row: u32, t: u32) -> vec2<u32> {
  if (t >= params.k) {
    let column = t - params.k;
    return vec2(ordered(scores[row * params.columns + column]), ~(params.first + column));
  }
  let at = row * params.k + t;
  if (params.fresh == 1u || indices[at] < 0) {
    return vec2(0u);
  }
  return vec2(ordered(values[at]), ~u32(indices[at]));
}

fn byte_of(x: vec2<u32>, digit: u32) -> u32 {
  return (x[digit / 4u] >> (24u - 8u * (digit % 4u))) & 255u;
}

// Whether the first `digits` bytes of x and y are equal.
fn same_prefix(x: vec2<u32>, y: vec2<u32>, digits: u32) -> bool {
  let different = x ^ y;
  if (digits < 4u) {
    return digits == 0u || (different.x >> (32u - 8u * digits)) == 0u;
  }
  return different.x == 0u && (digits == 4u || (different.y >> (64u - 8u * digits)) == 0u);
}

fn not_below(x: vec2<u32>, y: vec2<u32>) -> bool {
  return x.x > y.x || (x.x == y.x && x.y >= y.y);
}

// The same bound, hidden from a compiler that would take seconds over the unrolled loop (params.rows is never 0).
fn bound(count: u32) -> u32 {
  return select(count, count * min(params.rows, 1u), ROLLED);
}

// Fills `above` with the candidates of the prefix counted by byte `digit`, summed from the greatest byte down.
fn count_bytes(row: u32, threshold: vec2<u32>, digit: u32, local: u32) {
  atomicStore(&histogram[local], 0u);
  workgroupBarrier();
  for (var t = local; t < params.k + params.columns; t += SIZE) {
    let x = candidate(row, t);
    if (x.x != 0u && same_prefix(x, threshold, digit)) {
      atomicAdd(&histogram[byte_of(x, digit)], 1u);
    }
  }
  workgroupBarrier();
  above[local] = atomicLoad(&histogram[local]);
  if (local == 0u) {
    above[SIZE] = 0u;
  }
  for (var step = 1u; step < bound(SIZE); step *= 2u) {
    workgroupBarrier();
    let other = above[min(local + step, SIZE)];
    workgroupBarrier();
    above[local] += other;
  }
  workgroupBarrier();
}

// The greatest pair that k candidates are not below, or as many as there are.
fn select_threshold(row: u32, local: u32) -> vec2<u32> {
  var threshold = vec2(0u);
  var left = params.k;
  var digit = 0u;
  loop {
    count_bytes(row, threshold, digit, local);
    if (digit == 0u) {
      left = min(left, workgroupUniformLoad(&above[0]));
      if (left == 0u) {
        return vec2(~0u);
      }
    }
    if (above[local] >= left && above[local + 1u] < left) {
      chosen = local;
    }
    let byte = workgroupUniformLoad(&chosen);
    threshold[digit / 4u] |= byte << (24u - 8u * (digit % 4u));
    // All with this prefix are wanted: the bytes below do not matter. At the eighth byte at the latest: candidates are
    // distinct.
    if (workgroupUniformLoad(&above[byte]) == left) {
      break;
    }
    left -= workgroupUniformLoad(&above[byte + 1u]);
    digit++;
  }
  return threshold; // here: Naga asks for a return at the end
}

fn sort_best(size: u32, local: u32) {
  for (var run = 2u; run <= size; run *= 2u) {
    for (var step = run / 2u; step > 0u; step /= 2u) {
      workgroupBarrier();
      for (var i = local; i < size; i += SIZE) {
        let j = i ^ step;
        let descending = (i & run) == 0u;
        if (j > i && not_below(best[i], best[j]) != descending) {
          let swapped = best[i];
          best[i] = best[j];
          best[j] = swapped;
        }
      }
    }
  }
  workgroupBarrier();
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  var size = 1u;
  while (size < params.k) {
    size *= 2u;
  }
  for (var i = local; i < size; i += SIZE) {
    best[i] = vec2(0u);
  }
  let threshold = select_threshold(row, local);
  for (var t = local; t < params.k + params.columns; t += SIZE) {
    let x = candidate(row, t);
    if (x.x != 0u && not_below(x, threshold)) {
      best[atomicAdd(&collected, 1u)] = x;
    }
  }
  storageBarrier();
  sort_best(size, local);
  for (var i = local; i < params.k; i += SIZE) {
    let missing = best[i].x == 0u;
    values[row * params.k + i] = select(score_bits(best[i].x), SIGN | INFINITY, missing);
    indices[row * params.k + i] = select(i32(~best[i].y), -1, missing);
  }
}
