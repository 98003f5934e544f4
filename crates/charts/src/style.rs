//! How the charts look: colours, in light and in dark, and on paper.
//!
//! The series have the hues of M. Okabe and K. Ito's palette (Color Universal Design, 2008), which colour-blind readers
//! can tell apart, made darker or lighter until each has a contrast of 3:1 or more with the ground. No chart relies on
//! colour alone: lines differ in dashes and marks, parts of a stack in their order, which the legend has too.
//!
//! No CSS variables: programs that turn SVG into pictures often do not know them.

/// How many series have a look of their own.
pub(crate) const SERIES_MAX: usize = 8;

/// Whatever the ground is, of a chart that stands alone or in a page.
pub(crate) const CHART: &str = concat!(
    ".daybook-chart{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px}",
    ".daybook-chart text{fill:#1b1f24}",
    ".daybook-chart .ground{fill:#ffffff}",
    ".daybook-chart .heading{font-size:17px;font-weight:600}",
    ".daybook-chart .strong{font-weight:600}",
    ".daybook-chart .small{font-size:11px}",
    ".daybook-chart .tiny{font-size:10px}",
    ".daybook-chart .end{text-anchor:end}",
    ".daybook-chart .middle{text-anchor:middle}",
    ".daybook-chart text.muted{fill:#525b66}",
    ".daybook-chart .grid{stroke:#dde2e8;stroke-width:1}",
    ".daybook-chart .axis{stroke:#868f9a;stroke-width:1}",
    ".daybook-chart .track{fill:#eef1f4}",
    ".daybook-chart .chip{fill:#eef1f4;stroke:#868f9a;stroke-width:1}",
    ".daybook-chart .line{fill:none;stroke-width:2;stroke-linejoin:round}",
    ".daybook-chart .thin{stroke-width:1;stroke-opacity:0.7}",
    ".daybook-chart .dashed{stroke-dasharray:6 3}",
    ".daybook-chart .mark{stroke-width:1.5}",
    ".daybook-chart .hollow{fill:#ffffff}",
    ".daybook-chart .part{stroke:#ffffff;stroke-width:1}",
    ".daybook-chart .median{stroke:#1b1f24;stroke-width:3}",
    ".daybook-chart .whisker{stroke:#525b66;stroke-width:1.5;fill:none}",
    ".daybook-chart .outline{fill:none;stroke:#868f9a;stroke-width:1}",
    ".daybook-chart .hidden{fill:url(#daybook-hidden);stroke:#868f9a;stroke-width:1;stroke-dasharray:2 2}",
    ".daybook-chart .hidden-line{stroke:#868f9a;stroke-width:1.5}",
    ".daybook-chart .open{fill:url(#daybook-open);stroke:#0072b2;stroke-width:1}",
    ".daybook-chart .open-line{stroke:#0072b2;stroke-width:1.5}",
    ".daybook-chart .corner{fill:#d55e00;stroke:#ffffff;stroke-width:0.5}",
    ".daybook-chart .f0{fill:#0072b2}.daybook-chart .l0{stroke:#0072b2}",
    ".daybook-chart .f1{fill:#d55e00}.daybook-chart .l1{stroke:#d55e00}",
    ".daybook-chart .f2{fill:#007f5f}.daybook-chart .l2{stroke:#007f5f}",
    ".daybook-chart .f3{fill:#b0508f}.daybook-chart .l3{stroke:#b0508f}",
    ".daybook-chart .f4{fill:#b58900}.daybook-chart .l4{stroke:#b58900}",
    ".daybook-chart .f5{fill:#3596cf}.daybook-chart .l5{stroke:#3596cf}",
    ".daybook-chart .f6{fill:#3d444d}.daybook-chart .l6{stroke:#3d444d}",
    ".daybook-chart .f7{fill:#7a4b00}.daybook-chart .l7{stroke:#7a4b00}",
    ".daybook-chart .fo{fill:#868f9a}.daybook-chart .lo{stroke:#868f9a}",
    // From nobody to everybody, in tenths.
    ".daybook-chart .h0{fill:#f3f7fb}.daybook-chart .h1{fill:#e0ebf6}.daybook-chart .h2{fill:#cadef0}",
    ".daybook-chart .h3{fill:#b0cfe8}.daybook-chart .h4{fill:#93bdde}.daybook-chart .h5{fill:#74a9d3}",
    ".daybook-chart .h6{fill:#3a77b0}.daybook-chart .h7{fill:#2a659e}.daybook-chart .h8{fill:#1b528b}",
    ".daybook-chart .h9{fill:#0b3c73}",
    ".daybook-chart text.on-strong{fill:#ffffff}",
);

/// What differs in the dark.
pub(crate) const CHART_DARK: &str = concat!(
    ".daybook-chart text{fill:#e6e9ed}",
    ".daybook-chart .ground,.daybook-chart .hollow{fill:#14181d}",
    ".daybook-chart text.muted{fill:#a9b2bc}",
    ".daybook-chart .grid{stroke:#2c333b}",
    ".daybook-chart .axis{stroke:#7d8793}",
    ".daybook-chart .track{fill:#20262d}",
    ".daybook-chart .chip{fill:#20262d;stroke:#7d8793}",
    ".daybook-chart .part{stroke:#14181d}",
    ".daybook-chart .median{stroke:#ffffff}",
    ".daybook-chart .whisker{stroke:#a9b2bc}",
    ".daybook-chart .outline,.daybook-chart .hidden,.daybook-chart .hidden-line{stroke:#8d97a3}",
    ".daybook-chart .open,.daybook-chart .open-line{stroke:#56b4e9}",
    ".daybook-chart .corner{fill:#ff9a52;stroke:#14181d}",
    ".daybook-chart .f0{fill:#56b4e9}.daybook-chart .l0{stroke:#56b4e9}",
    ".daybook-chart .f1{fill:#f0803c}.daybook-chart .l1{stroke:#f0803c}",
    ".daybook-chart .f2{fill:#2fc49a}.daybook-chart .l2{stroke:#2fc49a}",
    ".daybook-chart .f3{fill:#dd90c3}.daybook-chart .l3{stroke:#dd90c3}",
    ".daybook-chart .f4{fill:#e6c34a}.daybook-chart .l4{stroke:#e6c34a}",
    ".daybook-chart .f5{fill:#3f8fc4}.daybook-chart .l5{stroke:#3f8fc4}",
    ".daybook-chart .f6{fill:#d5dae0}.daybook-chart .l6{stroke:#d5dae0}",
    ".daybook-chart .f7{fill:#c79a5b}.daybook-chart .l7{stroke:#c79a5b}",
    ".daybook-chart .fo{fill:#8d97a3}.daybook-chart .lo{stroke:#8d97a3}",
    ".daybook-chart .h0{fill:#182029}.daybook-chart .h1{fill:#1a2a3a}.daybook-chart .h2{fill:#1c354c}",
    ".daybook-chart .h3{fill:#1f4161}.daybook-chart .h4{fill:#224d75}.daybook-chart .h5{fill:#265b8a}",
    ".daybook-chart .h6{fill:#6ba9d8}.daybook-chart .h7{fill:#86bbe3}.daybook-chart .h8{fill:#a5ceed}",
    ".daybook-chart .h9{fill:#c9e3f7}",
    ".daybook-chart text.on-strong{fill:#0b1620}",
);

/// Of a page around a chart.
pub(crate) const PAGE: &str = concat!(
    ":root{color-scheme:light dark}",
    "body{margin:0 auto;padding:24px;max-width:932px;background:#ffffff;color:#1b1f24;",
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;overflow-wrap:anywhere}",
    "h1{font-size:24px;line-height:1.25;margin:0 0 8px}",
    "h2{font-size:17px;margin:28px 0 8px}",
    "p,ul{margin:0 0 8px}",
    // The chart's own margin lies in the page's, and on a narrow screen it scrolls before it gets too small to read.
    "figure{margin:20px -20px}",
    "svg{display:block;max-width:100%;min-width:720px;height:auto}",
    ".scroll{overflow-x:auto}",
    "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;overflow-wrap:normal}",
    "caption{text-align:left;padding:0 0 6px;color:#525b66}",
    "th,td{padding:4px 10px;border-bottom:1px solid #dde2e8;text-align:left;vertical-align:top}",
    "thead th{border-bottom:2px solid #868f9a}",
    "td.number,th.number{text-align:right}",
    "td.number{white-space:nowrap}",
    "td.text{max-width:360px;overflow-wrap:anywhere}",
    // Room for a word before it is broken.
    "tbody td.text:not(:only-child){min-width:9em}",
    "footer{margin:28px 0 0;color:#525b66;font-size:13px}",
);

/// What differs in the dark.
pub(crate) const PAGE_DARK: &str = concat!(
    "body{background:#14181d;color:#e6e9ed}",
    "caption,footer{color:#a9b2bc}",
    "th,td{border-color:#2c333b}",
    "thead th{border-color:#7d8793}",
);

/// What differs on paper.
pub(crate) const PAGE_PRINT: &str = concat!(
    "body{padding:0;max-width:none}",
    ".scroll{overflow:visible}",
    "svg{min-width:0}",
    "figure{margin:20px 0}",
    "@page{margin:15mm}",
    "figure,tr{break-inside:avoid}",
    "thead{display:table-header-group}",
);

/// Rules for light and dark. Paper is always light.
pub(crate) fn themed(light: &str, dark: &str) -> String {
    format!("{light}@media screen and (prefers-color-scheme:dark){{{dark}}}")
}
