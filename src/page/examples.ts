// Texts and a question for who has none at hand. The question shares no word with the text that answers it.
export const examples = [
  'The moon pulls the sea toward it, and twice a day the water rises and falls along the shore.',
  'Yeast eats sugar and gives off gas, which makes a dough swell before it is baked.',
  'A compass needle turns until it lies along the field of the earth, which is a large magnet.',
  'Leaves turn yellow in autumn because their green pigment is taken back into the tree.',
  'A lever lets a small force over a long way lift a heavy load over a short one.',
  'Vaccines show the body a harmless part of a germ, so that it knows the real one later.',
  'Bats find their way in the dark by crying out and listening for what comes back.',
  'A rainbow appears when sunlight is bent and split by drops of rain.',
  'Interest is what a lender asks for waiting; unpaid, it grows upon itself.',
  'Iron left in damp air takes up oxygen and crumbles into rust.',
] as const

export const question = 'how do animals navigate at night'
