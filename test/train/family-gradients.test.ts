// Gradients of InfoNCE through decoders against PyTorch in f64: low-rank updates of all seven projections (Qwen2, Qwen3, Mistral with a window), and
// all parameters (Llama), layers kept and layers run again.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { adapterNames, gradientArrays, loadCase, worstGradient } from '../support/gradients.js'
import { byCanonicalName, readArrays } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'

const gradients = needs('oracles/gradients')

for (const backend of await backendsPresent()) {
  const limit = backend.kind === 'wasm' ? 5e-5 : 2e-4
  for (const name of ['d-qwen2-lora', 'e-qwen3-lora', 'f-llama-full', 'g-mistral-lora'])
    for (const recompute of [false, true])
      (gradients ? test : test.skip)(
        `${backend.kind}: gradients of ${name}${recompute ? ', layers run again' : ''}`,
        async () => {
          const folder = `${gradients}/${name}`
          const { settings, loaded, batch } = await loadCase(backend, folder, { recompute })
          const shared = { query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable! }
          const trainer = createContrastiveTrainer(backend, {
            ...{ optimizer: defaultOptimizer, dropout: 0, temperature: settings.temperature },
            ...shared,
          })
          const loss = await trainer.gradients(batch, { seed: 1, counter: 0 })
          assert.ok(Math.abs(loss - settings.loss) <= 1e-5 * settings.loss, `loss ${loss}, expected ${settings.loss}`)
          const expected = await readArrays(`${folder}/gradients.safetensors`)
          const worst = worstGradient(
            await gradientArrays(backend, loaded),
            name.endsWith('lora') ? adapterNames(expected) : byCanonicalName(expected),
          )
          assert.ok(worst.error <= limit, `${worst.name} is ${worst.error} off`)
          trainer.release()
          loaded.release()
        },
      )
}

test.run()
