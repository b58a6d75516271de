// A decoder trained by a recipe: pooled by its last token, attending both ways, layers run again; what is saved scores what the run scored.
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attempt } from '../support/cli.js'
import { needs } from '../support/shared.js'
import { temporaryFolder } from '../support/temporary.js'

const stories = needs('models/stories260k')
for (const bidirectional of [false, true])
  (stories ? test : test.skip)(
    `${bidirectional ? 'both ways' : 'looking back'}: saved, and loaded as it was`,
    async () => {
      const folder = temporaryFolder()
      writeFileSync(
        `${folder}/recipe.toml`,
        `name = "decoder"
out = "${folder}/runs"
backend = "wasm"
[model]
path = "${stories}"
pooling = "lasttoken"
max_length = 32
bidirectional = ${bidirectional}
[data]
train = "builtin:primer/law"
tests = [{ path = "builtin:primer/law" }]
[train]
steps = 2
batch_size = 4
recompute = true
[lora]
targets = ["q_proj", "v_proj", "down_proj"]
`,
      )
      const run = await attempt('run', `${folder}/recipe.toml`)
      assert.is(run.code, 0, run.stderr)
      assert.match(run.stderr, /memory: weights 1\.0 MiB, the adapter/, 'the plan is told before loading')
      const model = `${folder}/runs/decoder/model`
      // An adapter alone would load onto a model that looks back.
      const config = bidirectional ? JSON.parse(readFileSync(`${model}/config.json`, 'utf8')) : undefined
      assert.is(config?.is_causal, bidirectional ? false : undefined)
      const args = ['--data', 'builtin:primer/law', '--max-length', '32', '--backend', 'wasm', '--json']
      const again = await attempt('eval', '--model', model, ...args)
      assert.is(again.code, 0, again.stderr)
      const record = readFileSync(`${folder}/runs/decoder/metrics.json`, 'utf8')
      assert.ok(record.includes(`"ndcg_at_10": ${JSON.parse(again.stdout).scores.ndcg_at_10}`), again.stdout)
    },
  )

test.run()
