// A recipe's loss: as the trainer knows it, and whether the model and the pairs have what it needs.
import type { TrainSettings } from '../recipe/schema.js'
import { type LossSettings, needsTeacher } from '../train/contrastive-loss.js'
import type { Example } from '../train/loop.js'

/** The loss as the trainer knows it. */
export const lossSettings = ({
  loss,
  negatives,
  margin,
  teacher_temperature,
  matryoshka,
}: TrainSettings): LossSettings => ({
  kind: loss,
  perQuery: 1 + negatives.hard,
  inBatch: negatives.in_batch,
  ...(loss === 'triplet' && { margin: margin ?? 0.2 }),
  ...(loss === 'kl' && { teacherTemperature: teacher_temperature ?? 1 }),
  ...(matryoshka && {
    matryoshka: {
      dimensions: matryoshka.dimensions,
      weights: matryoshka.weights ?? matryoshka.dimensions.map(() => 1),
    },
  }),
})

/** Fails where the model or the pairs do not have what the loss needs. */
export function checkLoss(width: number, examples: readonly Example[], { loss, matryoshka }: TrainSettings): void {
  const tooWide = matryoshka?.dimensions.find(dimension => dimension > width)
  if (tooWide !== undefined)
    throw new Error(`train.matryoshka.dimensions holds ${tooWide}, but the model's vectors have ${width}; leave it out`)
  const unscored = needsTeacher(loss) ? examples.filter(({ scores }) => !scores).length : 0
  if (unscored > 0)
    throw new Error(
      `${unscored} of ${examples.length} training pairs have no scores of a teacher, which train.loss = "${loss}" needs; ` +
        'give pos_scores and neg_scores in each line of the training file, or choose another loss',
    )
}
