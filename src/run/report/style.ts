// How a report looks: on a wide screen, on a phone, on paper, light and dark.
// --c0 … --c5 are Okabe and Ito's colours, told apart with any colour vision, darkened for white and lightened for black.

export const reportStyle = `
:root{color-scheme:light dark;--text:#1c2127;--soft:#5a6570;--line:#dde2e7;--panel:#f5f7f9;--page:#fff;--accent:#0b63b8;--up:#17743a;--down:#b3261e;--c0:#0066a8;--c1:#c04f00;--c2:#00805c;--c3:#a84f86;--c4:#8a6d00;--c5:#3a8fc0}
@media screen and (prefers-color-scheme:dark){:root{--text:#e4e8ec;--soft:#9aa5b1;--line:#343b43;--panel:#1d2228;--page:#14181c;--accent:#6db3f8;--up:#5fcf88;--down:#ff8f86;--c0:#5aaef0;--c1:#f0883a;--c2:#2fc096;--c3:#dd8fbe;--c4:#e0c040;--c5:#a5d8f5}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:52rem;background:var(--page);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
h1{margin:0;font-size:1.9rem;line-height:1.2;font-weight:650;letter-spacing:-.01em}
h2{margin:3rem 0 .75rem;font-size:1.2rem;font-weight:650}
p{margin:.5rem 0}
.question{font-size:1.1rem;color:var(--soft)}
.answer{margin:.9rem 0;font-size:1.25rem;line-height:1.45;text-wrap:pretty}
.lead,small,.note,figcaption,dt{color:var(--soft)}
small,.note{font-size:.85rem}
.notes{margin:1rem 0 0;padding-left:1rem;border-left:3px solid var(--line)}
time{white-space:nowrap}
figure{margin:1.25rem 0;break-inside:avoid}
figcaption{padding-bottom:.5rem}
figcaption strong{color:var(--text);font-weight:600}
svg{display:block;width:100%;height:auto;overflow:visible}
.narrow{display:none}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:0 2rem}
.three figure:first-child{grid-row:span 2}
.key{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:.5rem 0;padding:0;list-style:none;font-size:.9rem}
.key svg{display:inline-block;width:2.2rem;height:.8rem;margin-right:.5rem;vertical-align:baseline}
table{width:100%;margin:1.5rem 0 1rem;border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{padding-bottom:.4rem;text-align:left;color:var(--soft)}
h2+table,h2+div table{margin-top:0}
tbody,tr{break-inside:avoid}
th,td{padding:.4rem 0 .4rem .75rem;text-align:right;vertical-align:baseline;border-top:1px solid var(--line);font-weight:400}
td{white-space:nowrap}
th:first-child{padding-left:0;text-align:left}
thead th{color:var(--soft);font-size:.85rem;border-top:0;vertical-align:bottom;overflow-wrap:normal}
th[scope=rowgroup]{padding-top:1.1rem;font-weight:600}
th[scope=rowgroup] small{font-weight:400;margin-left:.4rem}
td small{display:inline-block;min-width:6.6rem;line-height:1.2}
td b{font-weight:650}
td i{font-style:normal;font-size:.7em}
.up{color:var(--up)}.down{color:var(--down)}
.wide-table{overflow-x:auto}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.3rem 1.5rem;margin:0}
dd{margin:0}
.systems{grid-template-columns:minmax(0,11rem) 1fr}
.mark{display:inline-block;width:.8rem;height:.8rem;margin-right:.5rem}
.systems dt{color:var(--text);font-weight:600}
details{margin:.25rem 0;border-top:1px solid var(--line)}
summary{padding:.6rem 0;cursor:pointer}
summary small{margin-left:.4rem}
summary .line{display:block;margin-left:1rem}
.found{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:.75rem 1.75rem;padding-bottom:1rem;font-size:.9rem;line-height:1.4}
.found h3{margin:0 0 .2rem;font-size:.9rem;font-weight:600}
.found h3 small{font-weight:400;margin-left:.3rem}
.found ol{margin:0;padding-left:1.3rem}
.found li{margin:.2rem 0;color:var(--soft)}
.found li.relevant{color:var(--text);font-weight:600}
.found li.relevant::marker{color:var(--up)}
pre{margin:0;padding:1rem;background:var(--panel);border-radius:.35rem;font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;tab-size:2}
ul{margin:0;padding-left:1.2rem}
@media (max-width:38rem){table,caption,thead,tbody{display:block}tr{display:grid;grid-template-columns:repeat(var(--columns),minmax(3rem,1fr));border-top:1px solid var(--line);padding:.35rem 0}thead tr{border-top:0}tr th,tr td{padding:0 0 0 .4rem;border-top:0}th:first-child{grid-column:1/-1}thead th:first-child{display:none}thead th{align-self:end}th[scope=rowgroup]{padding-top:.7rem}td small{display:block;min-width:0}.wide{display:none}.narrow{display:block}}
@media (max-width:27rem){body{padding:1.5rem 1rem 3rem}.answer{font-size:1.15rem}dl{gap:.3rem 1rem}.systems{grid-template-columns:1fr}.systems dd{margin-bottom:.5rem}}
@media print{@page{size:A4;margin:16mm}html{font-size:9.5pt}body{max-width:none;padding:0}h2{break-after:avoid}pre{border:1px solid var(--line)}.wide{display:block}.narrow{display:none}table,dl,.query{break-inside:avoid}details::details-content{content-visibility:visible;height:auto;display:block}}
`
