// What a training step costs the host on WebGPU: packing parameters, choosing variants and recording the dispatches of a LoRA step of MiniLM's shape.
// Nothing is computed: what is recorded is not submitted, so that a processor that plays a GPU does not get in between.
import type { Prepared } from '../backend/backend.js'
import type { Params } from '../backend/kernels.js'
import type { WebGpuBackend } from '../backend/webgpu/backend.js'
import { encodeRun, type PreparedCalls } from '../backend/webgpu/calls.js'
import { pickVariant } from '../backend/webgpu/pipelines.js'
import { newAdapter } from '../model/load.js'
import { placeModel } from '../run/model.js'
import { processorSeconds } from '../runtime/child.js'
import { candidatesOf, createContrastiveTrainer } from '../train/contrastive.js'
import { defaultOptimizer } from '../train/optimizer.js'
import { integersBelow } from './host.js'
import { randomModel } from './inputs.js'
import { placeOf, type Report } from './row.js'

const [PAIRS, LENGTH] = [2, 256]
/** Before the counted ones some that only warm up. */
const [WARMING, STEPS] = [300, 300]
const LORA = { rank: 8, alpha: 32, dropout: 0.1, targets: ['query', 'value'] }

/** A batch of a few texts: how many rows there are changes no more than the numbers that are packed. */
export async function benchHostStep(backend: WebGpuBackend, report: Report): Promise<void> {
  const source = randomModel('mini')
  const runs: { prepared: PreparedCalls; params: readonly Params[] }[] = []
  const kept: WebGpuBackend = {
    ...backend,
    run: (prepared: Prepared, params) => void runs.push({ prepared: prepared as PreparedCalls, params }),
  }
  const loaded = await placeModel(kept, source, { kind: 'lora', adapter: newAdapter(source.weights.config, LORA, 1) })
  const trainer = createContrastiveTrainer(kept, {
    ...{ query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable! },
    ...{ temperature: 0.05, optimizer: defaultOptimizer },
  })
  try {
    const texts = (seed: number) => ({
      offsets: Int32Array.from({ length: PAIRS + 1 }, (_, i) => i * LENGTH),
      ids: Int32Array.from(integersBelow(PAIRS * LENGTH, source.weights.config.vocabulary, seed)),
    })
    const batch = { query: texts(1), passage: texts(2), ...candidatesOf(PAIRS, 1, true) }
    runs.length = 0
    await trainer.step([batch], { rate: 1e-5, t: 1, seed: 1, counter: 0 })
    const record = (steps: number) => {
      for (let step = 0; step < steps; step++)
        for (const { prepared, params } of runs) encodeRun(backend.device, prepared, params)
    }
    record(WARMING)
    const start = processorSeconds()
    record(STEPS)
    const busy = (1000 * (processorSeconds() - start)) / STEPS
    const dispatches = runs.reduce((sum, { prepared, params }) => sum + dispatchesOf(prepared, params), 0)
    report({
      name: 'train lora, host',
      shape: `${source.weights.config.layers} layers of ${source.weights.config.hidden}, ${dispatches} dispatches`,
      ...placeOf(backend),
      variant: 'recorded',
      ...{ verified: dispatches > 0, max_error: 0, milliseconds: busy },
      note: 'processor time of the host, for a step that is not submitted',
    })
  } finally {
    trainer.release()
    loaded.release()
  }
}

const dispatchesOf = ({ prepared }: PreparedCalls, params: readonly Params[]): number =>
  prepared.reduce((sum, { pipelines }, i) => sum + (pickVariant(pipelines, params[i]!).second ? 2 : 1), 0)
