// Sums and maxima over a workgroup, in a fixed order, so that the bits never depend on the scheduling.

override WORKGROUP_SIZE: u32 = 128; // a power of two

var<workgroup> reduced: array<f32, WORKGROUP_SIZE>;

// The last values are added by every invocation alike: cheaper than the barriers of a tree.
const SERIAL = 32u;

// The sum of every invocation's value, given to all of them. In uniform control flow only.
fn workgroup_sum(local: u32, value: f32) -> f32 {
  reduced[local] = value;
  for (var span = WORKGROUP_SIZE / 2u; span >= SERIAL; span /= 2u) {
    workgroupBarrier();
    if (local < span) {
      reduced[local] += reduced[local + span];
    }
  }
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < min(SERIAL, WORKGROUP_SIZE); i++) {
    total += reduced[i];
  }
  workgroupBarrier(); // before the next reduction writes
  return total;
}

fn workgroup_max(local: u32, value: f32) -> f32 {
  reduced[local] = value;
  for (var span = WORKGROUP_SIZE / 2u; span >= SERIAL; span /= 2u) {
    workgroupBarrier();
    if (local < span) {
      reduced[local] = max(reduced[local], reduced[local + span]);
    }
  }
  workgroupBarrier();
  var greatest = reduced[0];
  for (var i = 1u; i < min(SERIAL, WORKGROUP_SIZE); i++) {
    greatest = max(greatest, reduced[i]);
  }
  workgroupBarrier();
  return greatest;
}
