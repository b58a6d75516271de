// Sums over rows, behind a kernel's terms. A workgroup sums COLUMNS neighbouring columns of cells, each over LANES rows at a
// time, then the lanes in a fixed order.

override COLUMNS: u32 = 8;
override LANES: u32 = 32;

var<workgroup> sums: array<Terms, COLUMNS * LANES>; // (LANES, COLUMNS)

@compute @workgroup_size(COLUMNS, LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let columns = params.columns / WIDTH;
  let column = (group.y * groups.x + group.x) * COLUMNS + local.x;
  var sum = Terms();
  if (column < columns) {
    for (var row = local.y; row < params.rows; row += LANES) {
      sum = plus(sum, terms(row, column));
    }
  }
  sums[local.y * COLUMNS + local.x] = sum;
  workgroupBarrier();
  if (local.y == 0u && column < columns) {
    for (var lane = 1u; lane < LANES; lane++) {
      sum = plus(sum, sums[lane * COLUMNS + local.x]);
    }
    add(column, sum);
  }
}
