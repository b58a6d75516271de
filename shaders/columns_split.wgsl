// Sums over many rows, behind a kernel's terms: as columns.wgsl, but a workgroup has one of SPLITS shares of the rows, so that
// enough of them are at work to keep the memory busy. columns_split_sum.wgsl adds the shares.

const COLUMNS = 16u;
const LANES = 16u;

var<workgroup> sums: array<Terms, COLUMNS * LANES>; // (LANES, COLUMNS)

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = group.y * groups.x + group.x;
  let part = index % SPLITS;
  let columns = params.columns / WIDTH;
  let column = COLUMNS * (index / SPLITS) + local % COLUMNS;
  let span = (params.rows + SPLITS - 1u) / SPLITS;
  let end = min((part + 1u) * span, params.rows);
  var sum = Terms();
  if (column < columns) {
    for (var row = part * span + local / COLUMNS; row < end; row += LANES) {
      sum = plus(sum, terms(row, column));
    }
  }
  sums[local] = sum;
  workgroupBarrier();
  if (local < COLUMNS && column < columns) {
    for (var lane = 1u; lane < LANES; lane++) {
      sum = plus(sum, sums[lane * COLUMNS + local]);
    }
    partials[part * columns + column] = sum;
  }
}
