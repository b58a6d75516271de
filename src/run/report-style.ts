// How a report looks: on a wide screen, on a phone, on paper, light and dark.

export const reportStyle = `
:root{color-scheme:light dark;--text:#1c2127;--soft:#5c6773;--line:#dfe3e8;--panel:#f5f7f9;--page:#fff;--accent:#0b63b8;--before:#9aa5b1;--up:#17743a;--down:#b3261e}
@media screen and (prefers-color-scheme:dark){:root{--text:#e4e8ec;--soft:#9aa5b1;--line:#343b43;--panel:#1d2228;--page:#14181c;--accent:#6db3f8;--before:#5f6b77;--up:#5fcf88;--down:#ff8f86}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:48rem;background:var(--page);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
h1{margin:0;font-size:1.9rem;line-height:1.2;font-weight:650;letter-spacing:-.01em}
h2{margin:2.75rem 0 .75rem;font-size:1.15rem;font-weight:650}
p{margin:.5rem 0}
.question{font-size:1.15rem;color:var(--text)}
.lead,small,.note,caption,figcaption,dt{color:var(--soft)}
small,.note{font-size:.85rem}
.score{margin:1.1rem 0;break-inside:avoid}
.score header{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;align-items:baseline}
.score b{font-size:1.35rem;font-weight:650;font-variant-numeric:tabular-nums}
h2 small{margin-left:.5rem;font-weight:400}
h2 i{display:inline-block;width:.7rem;height:.7rem;margin:0 .3rem 0 .5rem;border-radius:.15rem;background:var(--accent);print-color-adjust:exact;-webkit-print-color-adjust:exact}
h2 i.before{background:var(--before)}
.bar{height:.6rem;margin-top:.3rem;border-radius:.15rem;background:var(--panel);print-color-adjust:exact;-webkit-print-color-adjust:exact}
.bar i{display:block;height:100%;border-radius:.15rem;background:var(--accent)}
.bar.before i{background:var(--before)}
.up{color:var(--up)}.down{color:var(--down)}
table{width:100%;margin:0 0 1.5rem;border-collapse:collapse;font-variant-numeric:tabular-nums;break-inside:avoid}
caption{padding-bottom:.4rem;text-align:left}
caption strong{color:var(--text)}
th,td{padding:.35rem 0 .35rem .75rem;white-space:nowrap;text-align:right;border-top:1px solid var(--line);font-weight:400}
th:first-child{padding-left:0;text-align:left}
thead th{color:var(--soft);font-size:.85rem;border-top:0}
td small{display:inline-block;min-width:4.6em}
@media (max-width:27rem){body{padding:1.5rem 1rem 3rem}th,td{padding-left:.5rem}td small{display:block}}
figure{margin:1.25rem 0;break-inside:avoid}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:0 2rem}
time{white-space:nowrap}
figcaption{padding-bottom:.6rem}
.plot{display:grid;grid-template:11rem 1.4rem/3.6rem 1fr}
.pair .plot{grid-template-rows:7rem 1.4rem}
.y,.x{position:relative;font-size:.78rem;color:var(--soft);font-variant-numeric:tabular-nums}
.y span{position:absolute;right:.6rem;transform:translateY(-50%);white-space:nowrap}
.x{grid-column:2}
.x span{position:absolute;top:.35rem;transform:translateX(-50%)}
svg{display:block;width:100%;height:100%;overflow:visible}
svg *{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.grid{stroke:var(--line);stroke-width:1}
.line{stroke:var(--accent);stroke-width:2}
.faint{stroke:var(--accent);stroke-width:1;opacity:.35}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.3rem 1.5rem;margin:0}
dd{margin:0}
pre{margin:0;padding:1rem;background:var(--panel);border-radius:.35rem;font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;tab-size:2}
ul{margin:0;padding-left:1.2rem}
@media print{@page{margin:18mm}html{font-size:10pt}body{max-width:none;padding:0}h2{break-after:avoid}pre{border:1px solid var(--line)}}
`
