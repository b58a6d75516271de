// Queries with what each system found: the best three, the relevant ones marked with a sign and in bold.
import { type Html, html } from './html.js'
import type { ComparisonRecord, Example, ExampleResult } from './record.js'
import { cutTo, measureTitle, scoreText } from './words.js'

const MOST_CHARACTERS = 160

/** The first and the last stand open. */
export function exampleList({ examples, measures, exampleChoice }: ComparisonRecord): Html {
  const measure = measureTitle(measures[0] ?? 'score')
  const choice = exampleChoice ? `${exampleChoice} ` : ''
  return html`<p class="note">${choice}The best three of each system; ✓ marks what is relevant.</p>
${examples.map((example, i) => exampleEntry(example, measure, i === 0 || i === examples.length - 1))}`
}

function exampleEntry({ test, query, relevant, results }: Example, measure: string, open: boolean): Html {
  const scores = results.map(({ system, score }) => `${system} ${scoreText(score, 2)}`).join(' · ')
  return html`<details class="query"${{ html: open ? ' open' : '' }}>
<summary><strong>${query}</strong> <small>${test}</small> <small class="line">${measure}: ${scores}</small></summary>
<p class="note">Relevant: ${relevant.map(text => cutTo(text, MOST_CHARACTERS)).join(' · ') || 'nothing'}</p>
<div class="found">
${results.map(found)}</div>
</details>
`
}

const found = ({ system, found: texts, rank }: ExampleResult) => html`<div>
<h3>${system} <small>${rank === undefined ? 'nothing relevant found' : `first relevant at rank ${rank}`}</small></h3>
<ol>${texts.map(({ text, relevant }) =>
  relevant
    ? html`<li class="relevant"><span role="img" aria-label="relevant:">✓</span> ${cutTo(text, MOST_CHARACTERS)}</li>`
    : html`<li>${cutTo(text, MOST_CHARACTERS)}</li>`,
)}</ol>
</div>
`
