// Products of 16 × 16 matrices by a subgroup's matrix unit: f16 factors, f32 sums. subgroup_matrix_emulated.wgsl says the same in plain WGSL.
// A shader declares `halves` (workgroup memory of f16) and `results` (of f32); a matrix of it begins at `offset`, its rows, or its columns where
// they lie one after the other (`by_columns`), `stride` elements apart. All calls are in uniform control flow, with a barrier between `results`
// stored and read.

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums16 = subgroup_matrix_result<f32, 16, 16>;

fn begin_subgroup(local: u32) {}

fn load_left(offset: u32, stride: u32, by_columns: bool) -> Left {
  if (by_columns) {
    return subgroupMatrixLoad<Left, col_major>(&halves, offset, stride);
  }
  return subgroupMatrixLoad<Left, row_major>(&halves, offset, stride);
}

fn load_right(offset: u32, stride: u32, by_columns: bool) -> Right {
  if (by_columns) {
    return subgroupMatrixLoad<Right, col_major>(&halves, offset, stride);
  }
  return subgroupMatrixLoad<Right, row_major>(&halves, offset, stride);
}

fn multiply_add(left: Left, right: Right, sums: Sums16) -> Sums16 {
  return subgroupMatrixMultiplyAccumulate(left, right, sums);
}

// To `results`, by rows.
fn store_sums(sums: Sums16, offset: u32, stride: u32) {
  subgroupMatrixStore<row_major>(&results, offset, sums, stride);
}

// Constant bounds stay constant: matrices of an array are taken by constant indices.
fn rolled(count: u32) -> u32 {
  return count;
}
