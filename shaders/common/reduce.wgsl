// Sums and maxima over a workgroup, in a fixed order, so that the bits never depend on the scheduling.

override WORKGROUP_SIZE: u32 = 128; // a power of two

var<workgroup> reduced: array<f32, WORKGROUP_SIZE>;

// The sum of every invocation's value, given to all of them. In uniform control flow only.
fn workgroup_sum(local: u32, value: f32) -> f32 {
  reduced[local] = value;
  for (var span = WORKGROUP_SIZE / 2u; span > 0u; span /= 2u) {
    workgroupBarrier();
    if (local < span) {
      reduced[local] += reduced[local + span];
    }
  }
  let total = workgroupUniformLoad(&reduced[0]);
  return total;
}

fn workgroup_max(local: u32, value: f32) -> f32 {
  reduced[local] = value;
  for (var span = WORKGROUP_SIZE / 2u; span > 0u; span /= 2u) {
    workgroupBarrier();
    if (local < span) {
      reduced[local] = max(reduced[local], reduced[local + span]);
    }
  }
  let greatest = workgroupUniformLoad(&reduced[0]);
  return greatest;
}
