// Activations of a cell: common/activation.wgsl over common/vector.wgsl.

fn activations(kind: u32, x: Cell) -> Cell {
  return vec4(activation(kind, x.x), activation(kind, x.y), activation(kind, x.z), activation(kind, x.w));
}

fn activation_slopes(kind: u32, x: Cell) -> Cell {
  return vec4(
    activation_slope(kind, x.x),
    activation_slope(kind, x.y),
    activation_slope(kind, x.z),
    activation_slope(kind, x.w),
  );
}
