// The sum of common/reduce.wgsl by subgroup operations: one barrier for all but the last additions. That neighbouring
// invocations make up a subgroup is checked on each adapter before a kernel with this is used.

override WORKGROUP_SIZE: u32 = 128; // a power of two

var<workgroup> reduced: array<f32, WORKGROUP_SIZE>; // one a subgroup

// The sum of every invocation's value, given to all of them. In uniform control flow only.
fn workgroup_sum(local: u32, value: f32) -> f32 {
  let sum = subgroupAdd(value);
  let size = subgroupAdd(1u); // at most the workgroup's
  if (local % size == 0u) {
    reduced[local / size] = sum;
  }
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < WORKGROUP_SIZE / size; i++) {
    total += reduced[i];
  }
  workgroupBarrier(); // before the next reduction writes
  return total;
}
