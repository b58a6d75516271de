// What subgroup_matrix.wgsl says, without matrix units: 32 neighbouring invocations stand for a subgroup, each holds 8 neighbours of one row of
// the sums, and factors stay where they are in workgroup memory until they are multiplied.

struct Left {
  offset: u32,
  stride: u32,
  by_columns: bool,
}
struct Right {
  offset: u32,
  stride: u32,
  by_columns: bool,
}
alias Sums16 = array<f32, 8>;

var<private> lane: u32;

fn begin_subgroup(local: u32) {
  lane = local % 32u;
}

fn load_left(offset: u32, stride: u32, by_columns: bool) -> Left {
  return Left(offset, stride, by_columns);
}

fn load_right(offset: u32, stride: u32, by_columns: bool) -> Right {
  return Right(offset, stride, by_columns);
}

fn multiply_add(left: Left, right: Right, sums: Sums16) -> Sums16 {
  let row = left.offset + (lane / 2u) * select(left.stride, 1u, left.by_columns);
  let row_step = select(1u, left.stride, left.by_columns);
  let column_step = select(1u, right.stride, right.by_columns);
  let first = right.offset + 8u * (lane % 2u) * column_step;
  let term_step = select(right.stride, 1u, right.by_columns);
  var out = sums;
  for (var k = 0u; k < rolled(16u); k++) {
    let x = f32(halves[row + k * row_step]);
    for (var j = 0u; j < 8u; j++) {
      out[j] += x * f32(halves[first + k * term_step + j * column_step]);
    }
  }
  return out;
}

fn store_sums(sums: Sums16, offset: u32, stride: u32) {
  for (var j = 0u; j < 8u; j++) {
    results[offset + (lane / 2u) * stride + 8u * (lane % 2u) + j] = sums[j];
  }
}

// A shader's `bound` hides a loop's end from a compiler that would take seconds over unrolled loops.
fn rolled(count: u32) -> u32 {
  return bound(count);
}
