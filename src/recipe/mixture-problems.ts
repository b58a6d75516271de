// Contradictions between the keys of a recipe that concern several training sets.
import { needsCosines } from '../train/tdro/weights.js'
import { type Problem, problem } from './problems.js'
import type { Recipe } from './schema.js'

export function* mixtureProblems({ train, tdro, data }: Recipe): Generator<Problem> {
  const sets = data.train?.length ?? 0
  const names = (data.train ?? []).map(set => (typeof set === 'string' ? undefined : set.name))
  const twice = names.findIndex((name, i) => name !== undefined && names.indexOf(name) < i)
  if (twice >= 0) yield problem(`data.train.${twice}.name`, `"${names[twice]}" names another set too; choose another`)
  for (const [i, { symmetric, prompt: asked }] of data.tests.entries())
    if (symmetric && asked === undefined)
      yield problem(
        `data.tests.${i}.symmetric`,
        'puts the prompt before documents too, but there is none; give it a prompt',
      )
  if (data.mined_by !== undefined && data.mined_negatives === undefined)
    yield problem('data.mined_by', 'ranks negatives, but none are mined; set data.mined_negatives')
  if (tdro) {
    if (!train) yield problem('tdro', 'learns weights for [train], which is missing; add it')
    if (sets < 2)
      yield problem('tdro', `weighs training sets against each other, but data.train has ${sets}; name two or more`)
    if (needsCosines(tdro.mode) && tdro.update === 'before')
      yield problem('tdro.update', `must be "after" with mode ${tdro.mode}, which looks at the gradients of the step`)
    if (tdro.batch_size % tdro.micro_batch !== 0)
      yield problem('tdro.micro_batch', `must divide tdro.batch_size (${tdro.batch_size}), found ${tdro.micro_batch}`)
  }
  if (!train) return
  const { transfer, transfer_share, weights_file, weights } = train
  if (transfer_share !== undefined && transfer !== 'top-p' && transfer !== 'bottom-p')
    yield problem(
      'train.transfer_share',
      `is for transfer = "top-p" or "bottom-p", found transfer = "${transfer ?? 'uniform'}"`,
    )
  if (transfer === undefined || transfer === 'uniform') return
  if (train.sets === 'together')
    yield problem('train.transfer', 'is for sets that are drawn by weights; set train.sets = "homogeneous" or "mixed"')
  if (weights)
    yield problem('train.weights', 'are given, and train.transfer asks for learned ones; leave one of them out')
  if (weights_file === undefined && !tdro)
    yield problem('train.transfer', 'needs weights: name a file as train.weights_file, or add [tdro] to learn them')
}
