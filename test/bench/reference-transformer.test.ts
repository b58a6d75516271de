// The f64 reference of every family, against PyTorch's f64 states: by it forms and config.json are read right, whatever kernels do.
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { referenceStates } from '../../src/bench/reference-transformer.js'
import { openModelFolder } from '../../src/model/folder.js'
import { maxDifference, readArrays, readPacked } from '../support/oracles.js'
import { needs } from '../support/shared.js'

for (const kind of ['encoders', 'decoders']) {
  const root = needs(`oracles/${kind}`)
  if (!root) test.skip(`${kind}: not beside this checkout`, () => {})
  else
    for (const name of readdirSync(root).filter(each => existsSync(`${root}/${each}/golden.safetensors`)))
      test(`${kind}/${name}, the last hidden states`, async () => {
        const { ids, offsets, typeIds } = await readPacked(`${root}/${name}/golden.safetensors`)
        if (typeIds?.some(type => type !== 0)) return // the reference knows type 0 alone
        const { last_hidden_state: expected } = await readArrays(`${root}/${name}/golden.safetensors`)
        const folder = await openModelFolder(`${root}/${name}`)
        const width = folder.config.hidden
        for (let b = 0; b + 1 < offsets.length; b++) {
          const [start, end] = [offsets[b]!, offsets[b + 1]!]
          const states = await referenceStates(folder, ids.subarray(start, end))
          const error = maxDifference(states, expected!.subarray(start * width, end * width))
          assert.ok(error <= 5e-7, `sequence ${b} is ${error} off`)
        }
        await folder.close()
      })
}

test.run()
