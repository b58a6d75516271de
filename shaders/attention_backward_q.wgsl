// The gradient of attention_forward for the queries: ds_ij = p_ij · (mask_ij · scale · (dout_i · v_j) − delta_i), dq_i = softmaxScale · Σ_j ds_ij k_j,
// the probabilities recomputed, p_ij = exp(softmaxScale · q_i · k_j − lse_i) (FlashAttention, Dao et al. 2022, algorithm 4). An invocation holds one
// query row; keys and values pass through workgroup memory in blocks.

@group(0) @binding(0) var<storage, read> q: array<f32>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<f32>; // (T, heads · headSize)
@group(0) @binding(2) var<storage, read> v: array<f32>; // (T, heads · headSize)
@group(0) @binding(3) var<storage, read> dout: array<f32>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> stats: array<f32>; // (T, heads, 2) = (lse, delta)
@group(0) @binding(5) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(6) var<storage, read_write> dq: array<f32>; // (T, heads · headSize), =
@group(0) @binding(7) var<uniform> params: Params;

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
    var dout_row: array<vec4<f32>, VECTORS>;
    var sum: array<vec4<f32>, VECTORS>;
    var lse = 0.0;
    var delta = 0.0;
    if (row < tile.last) {
      for (var d = 0u; d < params.head_size; d++) {
        query[d / 4u][d % 4u] = q[at + d] * params.softmax_scale;
        dout_row[d / 4u][d % 4u] = dout[at + d];
      }
      lse = stats[2u * (row * params.heads + head)];
      delta = stats[2u * (row * params.heads + head) + 1u];
    }
    for (var first = tile.begin; first < tile.key_end; first += BLOCK) {
      workgroupBarrier();
      load_block(first, tile.key_end, head, local);
      workgroupBarrier();
      // Keys by pairs: one counter gives the dropout of both. A second key past the end is zero and adds nothing.
      for (var j = 0u; j < min(BLOCK, tile.key_end - first); j += 2u) {
        var scores = vec2(0.0);
        var dp = vec2(0.0);
        for (var d = 0u; d < VECTORS; d++) {
          let left = j * VECTORS + d;
          let right = left + VECTORS;
          scores += vec2(dot(query[d], k_block[left]), dot(query[d], k_block[right]));
          dp += vec2(dot(dout_row[d], v_block[left]), dot(dout_row[d], v_block[right]));
        }
        if (first + j + 1u >= tile.key_end) {
          scores.y = lse;
        }
        let mask = probability_mask(tile.sequence_key, row - tile.begin, head, (first + j - tile.begin) / 2u);
        let ds = exp(scores - lse) * (mask * dp - delta);
        for (var d = 0u; d < VECTORS; d++) {
          sum[d] += ds.x * k_block[j * VECTORS + d] + ds.y * k_block[(j + 1u) * VECTORS + d];
        }
      }
    }
    if (row < tile.last) {
      for (var d = 0u; d < params.head_size; d++) {
        dq[at + d] = params.softmax_scale * sum[d / 4u][d % 4u];
      }
    }
  }
}
