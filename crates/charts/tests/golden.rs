//! Every chart is, to the byte, the picture in `tests/golden`. Those are there to be looked at; after a change that is
//! meant, `DAYBOOK_GOLDEN=write cargo test -p daybook-charts` draws them anew.

mod examples;

use std::path::Path;

#[test]
fn charts_are_drawn_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let is_written = std::env::var("DAYBOOK_GOLDEN").is_ok_and(|value| value == "write");
    let mut changed = Vec::new();
    let pictures = examples::all()
        .into_iter()
        .map(|(name, response)| (format!("{name}.svg"), daybook_charts::svg(&response).unwrap()));
    let page = daybook_charts::html("Funnel of new teams", &examples::funnel()).unwrap();
    for (name, drawn) in pictures.chain([("funnel.html".to_owned(), page)]) {
        let file = folder.join(&name);
        if is_written {
            std::fs::write(&file, &drawn).unwrap();
        } else if std::fs::read_to_string(&file).ok().as_ref() != Some(&drawn) {
            changed.push(name);
        }
    }
    assert_eq!(
        changed,
        Vec::<String>::new(),
        "look at what changed with DAYBOOK_GOLDEN=write and your version control"
    );
}
