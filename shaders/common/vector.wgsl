// What kernels that only stream memory are written in: cells, here four neighbouring elements, loaded and stored as one.

alias Cell = vec4<f32>;
const WIDTH = 4u; // elements of a cell

fn cell_sum(x: Cell) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

fn cell_of(values: vec4<f32>, d: u32) -> Cell {
  return values;
}
