// The kernels that take the most bindings or workgroup memory, on a device with exactly the specification's default limits and no feature.
import { test } from 'uvu'
import type { KernelName } from '../../src/backend/kernels.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { webgpuBackend } from '../support/adapter.js'
import { conformance } from './conformance.js'

const kernels: readonly KernelName[] = [
  ...([
    'matmul',
    'matmul_epilogue',
    'matmul_quantized_epilogue',
    'matmul_grouped',
    'matmul_grouped_sum',
    'lora_down',
    'lora_input',
    'lora_weights',
    'layer_norm_forward',
    'layer_norm_backward',
  ] as const),
  ...(['attention_forward', 'attention_backward_q', 'attention_backward_q_bias'] as const),
  ...(['attention_backward_kv', 'maxsim_forward', 'top_k'] as const),
]

if (await webgpuBackend()) {
  const adapter = process.env.WGPU_RETRIEVE_ADAPTER
  const limited = await createWebGpuBackend({ defaultLimits: true, tune: false, ...(adapter && { adapter }) })
  conformance(limited, 1e-5, (name, run) => {
    if (kernels.some(kernel => kernel === name)) test(name, run)
  })
}

test.run()
