// Products by matrix units: factors narrowed to f16 while they are read, sums in f32. A workgroup
// computes a TILE_M × TILE_N tile of c, TILE_K terms at a time; WAVES_M × WAVES_N subgroups share it, ROWS × COLUMNS matrices of 16 × 16 each. Tiles
// of a and b lie in workgroup memory in the order of the buffers, rows 8 numbers apart (so that the rows of a matrix fall on different banks); the
// next ones are read while these are multiplied. Rows of a, b and c are whole vectors of four. Sums16 have no elements to be named: they go through
// workgroup memory, a matrix at a time.
// Header: TILE_M, TILE_N, WAVES_M, WAVES_N. What is multiplied, and where it goes, is for product.wgsl, product_rows.wgsl and write_vector.wgsl to say, or
// for a group of products. A kernel declares params and `vector_b(at)`, four neighbours of b as stored from element `at` on.

const TILE_K = 32u;
const PAD = 8u;
const LANES = 32u * WAVES_M * WAVES_N;
const ROWS = TILE_M / (16u * WAVES_M);
const COLUMNS = TILE_N / (16u * WAVES_N);
const HALVES_A = TILE_M * (TILE_K + PAD);
const HALVES_B = TILE_N * (TILE_K + PAD);
const RESULT_STRIDE = 20u;
// Vectors of a tile that one invocation reads.
const OWN_A = TILE_M * TILE_K / (4u * LANES);
const OWN_B = TILE_N * TILE_K / (4u * LANES);

var<workgroup> halves: array<f16, HALVES_A + HALVES_B>;
var<workgroup> results: array<f32, WAVES_M * WAVES_N * 16u * RESULT_STRIDE>;

// For what is emulated (params.M is never 0).
fn bound(count: u32) -> u32 {
  return select(count, count * min(params.M, 1u), ROLLED);
}

// (row, column) in a tile, in the order of its buffer, of vector `vector`.
fn place(vector: u32, width: u32) -> vec2<u32> {
  return vec2(vector / (width / 4u), 4u * (vector % (width / 4u)));
}

fn width_a() -> u32 {
  return select(TILE_K, TILE_M, turned_a());
}

fn width_b() -> u32 {
  return select(TILE_N, TILE_K, turned_b());
}

// Four neighbours of a; zeros beyond it.
fn read_a(vector: u32, first_m: u32, first_k: u32) -> vec4<f16> {
  let at = place(vector, width_a()) + select(vec2(first_m, first_k), vec2(first_k, first_m), turned_a());
  let size = select(vec2(params.M, terms()), vec2(terms(), params.M), turned_a());
  if (at.x >= size.x || at.y >= size.y) {
    return vec4<f16>();
  }
  return vec4<f16>(vector_a(at.x, at.y));
}

fn read_b(vector: u32, first_k: u32, first_n: u32) -> vec4<f16> {
  let at = place(vector, width_b()) + select(vec2(first_k, first_n), vec2(first_n, first_k), turned_b());
  if (!has_column(select(at.y, at.x, turned_b())) || select(at.x, at.y, turned_b()) >= terms()) {
    return vec4<f16>();
  }
  return vec4<f16>(vector_b(row_b(at.x) + at.y));
}

fn store_vector(vector: u32, begin: u32, width: u32, values: vec4<f16>) {
  let at = place(vector, width);
  let first = begin + at.x * (width + PAD) + at.y;
  for (var i = 0u; i < 4u; i++) {
    halves[first + i] = values[i];
  }
}

fn multiply(tile: u32, local: u32) {
  let tiles_n = (columns() + TILE_N - 1u) / TILE_N;
  let first_m = (tile / tiles_n) * TILE_M;
  let first_n = (tile % tiles_n) * TILE_N;
  if (first_m >= params.M) {
    return;
  }
  begin_subgroup(local);
  let wave = local / 32u;
  let wave_m = (wave / WAVES_N) * ROWS * 16u;
  let wave_n = (wave % WAVES_N) * COLUMNS * 16u;
  let a_by_columns = turned_a();
  let b_by_columns = turned_b();
  // From one matrix to the next along m, n and k.
  let stride_a = width_a() + PAD;
  let stride_b = width_b() + PAD;
  let step_m = select(stride_a, 1u, a_by_columns);
  let step_n = select(1u, stride_b, b_by_columns);
  let step_ka = select(1u, stride_a, a_by_columns);
  let step_kb = select(stride_b, 1u, b_by_columns);

  var next_a: array<vec4<f16>, OWN_A>;
  var next_b: array<vec4<f16>, OWN_B>;
  for (var i = 0u; i < rolled(OWN_A); i++) {
    next_a[i] = read_a(local + i * LANES, first_m, 0u);
  }
  for (var i = 0u; i < rolled(OWN_B); i++) {
    next_b[i] = read_b(local + i * LANES, 0u, first_n);
  }
  var sums: array<array<Sums16, COLUMNS>, ROWS>;
  for (var first_k = 0u; first_k < terms(); first_k += TILE_K) {
    for (var i = 0u; i < rolled(OWN_A); i++) {
      store_vector(local + i * LANES, 0u, width_a(), next_a[i]);
    }
    for (var i = 0u; i < rolled(OWN_B); i++) {
      store_vector(local + i * LANES, HALVES_A, width_b(), next_b[i]);
    }
    workgroupBarrier();
    for (var i = 0u; i < rolled(OWN_A); i++) {
      next_a[i] = read_a(local + i * LANES, first_m, first_k + TILE_K);
    }
    for (var i = 0u; i < rolled(OWN_B); i++) {
      next_b[i] = read_b(local + i * LANES, first_k + TILE_K, first_n);
    }
    for (var k = 0u; k < rolled(TILE_K); k += 16u) {
      var right: array<Right, COLUMNS>;
      for (var j = 0u; j < rolled(COLUMNS); j++) {
        right[j] = load_right(HALVES_A + k * step_kb + (wave_n + 16u * j) * step_n, stride_b, b_by_columns);
      }
      for (var i = 0u; i < rolled(ROWS); i++) {
        let left = load_left(k * step_ka + (wave_m + 16u * i) * step_m, stride_a, a_by_columns);
        for (var j = 0u; j < rolled(COLUMNS); j++) {
          sums[i][j] = multiply_add(left, right[j], sums[i][j]);
        }
      }
    }
    workgroupBarrier();
  }

  let staged = wave * 16u * RESULT_STRIDE;
  let lane_m = (local % 32u) / 2u;
  let lane_n = 8u * (local % 2u);
  for (var i = 0u; i < rolled(ROWS); i++) {
    for (var j = 0u; j < rolled(COLUMNS); j++) {
      store_sums(sums[i][j], staged, RESULT_STRIDE);
      workgroupBarrier();
      for (var l = 0u; l < 8u; l += 4u) {
        let at = staged + lane_m * RESULT_STRIDE + lane_n + l;
        let sum = vec4(results[at], results[at + 1u], results[at + 2u], results[at + 3u]);
        write_vector(first_m + wave_m + 16u * i + lane_m, first_n + wave_n + 16u * j + lane_n + l, sum);
      }
      workgroupBarrier();
    }
  }
}
