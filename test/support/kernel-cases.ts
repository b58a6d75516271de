// The cases of every kernel of the table, seeded: sizes that are no multiples of a tile, single rows, nothing at all, extremes. Made when asked
// for: some are large.
import type { KernelName } from '../../src/backend/kernels.js'
import * as activations from './cases/activations.js'
import * as attention from './cases/attention.js'
import type { KernelCase } from './cases/case.js'
import {
  matmulEpilogueCases,
  matmulF16EpilogueCases,
  matmulF16QuantizedEpilogueCases,
  matmulHalfEpilogueCases,
  matmulQuantizedEpilogueCases,
} from './cases/epilogues.js'
import { matmulGroupedCases, matmulGroupedSumCases } from './cases/grouped.js'
import { matmulInt8Cases, quantizeRowsCases } from './cases/int8.js'
import * as layers from './cases/layers.js'
import * as lora from './cases/lora.js'
import {
  matmulCases,
  matmulF16Cases,
  matmulF16QuantizedCases,
  matmulHalfCases,
  matmulQuantizedCases,
} from './cases/matmul.js'
import * as maxsim from './cases/maxsim.js'
import { nearestCases } from './cases/nearest.js'
import * as pooling from './cases/pooling.js'
import * as rowLosses from './cases/row-losses.js'
import * as rows from './cases/rows.js'
import * as softmaxTiles from './cases/softmax-tiles.js'
import * as training from './cases/training.js'

export const kernelCases: Readonly<Record<KernelName, () => KernelCase[]>> = {
  matmul: matmulCases,
  matmul_half: matmulHalfCases,
  matmul_f16: matmulF16Cases,
  matmul_quantized: matmulQuantizedCases,
  matmul_epilogue: matmulEpilogueCases,
  matmul_half_epilogue: matmulHalfEpilogueCases,
  matmul_quantized_epilogue: matmulQuantizedEpilogueCases,
  matmul_f16_epilogue: matmulF16EpilogueCases,
  matmul_f16_quantized: matmulF16QuantizedCases,
  matmul_f16_quantized_epilogue: matmulF16QuantizedEpilogueCases,
  matmul_grouped: matmulGroupedCases,
  matmul_grouped_sum: matmulGroupedSumCases,
  matmul_f16_grouped: matmulGroupedCases,
  matmul_f16_grouped_sum: matmulGroupedSumCases,
  quantize_rows: quantizeRowsCases,
  matmul_int8: matmulInt8Cases,
  column_sum: rows.columnSumCases,
  gather_rows: rows.gatherRowsCases,
  gather_rows_half: rows.gatherRowsHalfCases,
  scatter_rows: rows.scatterRowsCases,
  copy_rows: rows.copyRowsCases,
  place_columns: rows.placeColumnsCases,
  dropout: layers.dropoutCases,
  lora_down: lora.loraDownCases,
  lora_input: lora.loraInputCases,
  lora_weights: lora.loraWeightsCases,
  layer_norm_forward: layers.layerNormForwardCases,
  layer_norm_backward: layers.layerNormBackwardCases,
  layer_norm_parameters: layers.layerNormParametersCases,
  rms_norm_forward: layers.rmsNormForwardCases,
  rms_norm_backward: layers.rmsNormBackwardCases,
  rms_norm_parameters: layers.rmsNormParametersCases,
  activation_forward: activations.activationForwardCases,
  activation_backward: activations.activationBackwardCases,
  gated_activation_forward: activations.gatedActivationForwardCases,
  gated_activation_backward: activations.gatedActivationBackwardCases,
  rope: rows.ropeCases,
  scale: rows.scaleCases,
  attention_forward: attention.attentionForwardCases,
  attention_forward_f16: attention.attentionForwardCases,
  attention_backward_q_f16: attention.attentionBackwardQCases,
  attention_backward_q_bias: attention.attentionBackwardQBiasCases,
  attention_backward_q_bias_f16: attention.attentionBackwardQBiasCases,
  attention_backward_kv_f16: attention.attentionBackwardKvCases,
  attention_delta: attention.attentionDeltaCases,
  attention_backward_q: attention.attentionBackwardQCases,
  attention_backward_kv: attention.attentionBackwardKvCases,
  pool_forward: pooling.poolForwardCases,
  pool_backward: pooling.poolBackwardCases,
  l2_normalize_forward: layers.l2NormalizeForwardCases,
  l2_normalize_backward: layers.l2NormalizeBackwardCases,
  mask_duplicates: training.maskDuplicatesCases,
  softmax_cross_entropy_forward: training.crossEntropyForwardCases,
  softmax_cross_entropy_backward: training.crossEntropyBackwardCases,
  softmax_tile_forward: softmaxTiles.softmaxTileForwardCases,
  softmax_tile_losses: softmaxTiles.softmaxTileLossesCases,
  softmax_tile_backward: softmaxTiles.softmaxTileBackwardCases,
  copy_columns: rowLosses.copyColumnsCases,
  group_scores: rowLosses.groupScoresCases,
  group_scores_backward_query: rowLosses.groupQueryCases,
  group_scores_backward_passage: rowLosses.groupPassageCases,
  pairwise_softmax: rowLosses.pairwiseSoftmaxCases,
  triplet_margin: rowLosses.tripletMarginCases,
  margin_mse: rowLosses.marginMseCases,
  kl_divergence: rowLosses.klDivergenceCases,
  maxsim_forward: maxsim.maxsimForwardCases,
  maxsim_backward_query: maxsim.maxsimQueryCases,
  maxsim_backward_document: maxsim.maxsimDocumentCases,
  scale_rows: maxsim.scaleRowsCases,
  unpack_f16: maxsim.unpackF16Cases,
  unpack_residuals: maxsim.unpackResidualsCases,
  weighted_sum: training.weightedSumCases,
  sum_of_squares: training.sumOfSquaresCases,
  gradient_norm: training.gradientNormCases,
  adamw: training.adamwCases,
  fill: rows.fillCases,
  multiply_adds: rows.multiplyAddsCases,
  top_k: training.topKCases,
  nearest: nearestCases,
  maxsim_stored: maxsim.maxsimStoredCases,
}
