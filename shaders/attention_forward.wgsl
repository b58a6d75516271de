// out = dropout(softmax(softmaxScale · q kᵀ)) v over packed sequences, lse = log Σ exp, by the online softmax (FlashAttention, Dao et al.
// 2022): keys and values pass through workgroup memory in blocks; an invocation holds one query row, its maximum, its sum and its output.

@group(0) @binding(0) var<storage, read> q: array<f32>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<f32>; // (T, heads · headSize)
@group(0) @binding(2) var<storage, read> v: array<f32>; // (T, heads · headSize)
@group(0) @binding(3) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // (T, heads · headSize), =
@group(0) @binding(5) var<storage, read_write> lse: array<f32>; // (T, heads), =
@group(0) @binding(6) var<uniform> params: Params;

const LOWEST = -1e30; // below any score, and finite: a WGSL compiler may assume that there are no infinities

var<workgroup> k_block: array<vec4<f32>, BLOCK * VECTORS>;
var<workgroup> v_block: array<vec4<f32>, BLOCK * VECTORS>;

fn load_block(first: u32, last: u32, head: u32, local: u32) {
  for (var e = local; e < BLOCK * VECTORS; e += WORKGROUP_SIZE) {
    let row = first + e / VECTORS;
    let channel = 4u * (e % VECTORS);
    var key = vec4(0.0);
    var value = vec4(0.0);
    if (row < last) {
      let at = (row * params.heads + head) * params.head_size + channel;
      for (var c = 0u; c < 4u && channel + c < params.head_size; c++) {
        key[c] = k[at + c];
        value[c] = v[at + c];
      }
    }
    k_block[e] = key;
    v_block[e] = value;
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let unit = group.y * groups.x + group.x;
  if (unit >= params.tiles * params.heads) {
    return;
  }
  let head = unit % params.heads;
  let tile = tile_at(unit / params.heads);
  for (var first_row = tile.first; first_row < tile.last; first_row += WORKGROUP_SIZE) {
    let row = first_row + local;
    let at = (row * params.heads + head) * params.head_size;
    var query: array<vec4<f32>, VECTORS>;
    var sum: array<vec4<f32>, VECTORS>;
    if (row < tile.last) {
      for (var d = 0u; d < params.head_size; d++) {
        query[d / 4u][d % 4u] = q[at + d] * params.softmax_scale;
      }
    }
    var greatest = LOWEST;
    var total = 0.0;
    for (var first = tile.begin; first < tile.key_end; first += BLOCK) {
      workgroupBarrier();
      load_block(first, tile.key_end, head, local);
      workgroupBarrier();
      // Keys by pairs: one counter gives the dropout of both.
      for (var j = 0u; j < min(BLOCK, tile.key_end - first); j += 2u) {
        var scores = vec2(0.0);
        for (var d = 0u; d < VECTORS; d++) {
          scores.x += dot(query[d], k_block[j * VECTORS + d]);
          scores.y += dot(query[d], k_block[(j + 1u) * VECTORS + d]);
        }
        if (first + j + 1u >= tile.key_end) {
          scores.y = LOWEST;
        }
        let highest = max(scores.x, scores.y);
        if (highest > greatest) {
          let rescale = exp(greatest - highest);
          total *= rescale;
          for (var d = 0u; d < VECTORS; d++) {
            sum[d] *= rescale;
          }
          greatest = highest;
        }
        let p = exp(scores - greatest);
        total += p.x + p.y;
        let kept = p * probability_mask(tile.sequence_key, row - tile.begin, head, (first + j - tile.begin) / 2u);
        for (var d = 0u; d < VECTORS; d++) {
          sum[d] += kept.x * v_block[j * VECTORS + d] + kept.y * v_block[(j + 1u) * VECTORS + d];
        }
      }
    }
    if (row < tile.last) {
      for (var d = 0u; d < params.head_size; d++) {
        out[at + d] = sum[d / 4u][d % 4u] / max(total, 1e-30);
      }
      lse[row * params.heads + head] = greatest + log(max(total, 1e-30));
    }
  }
}
