//! `daybook item import`: the messages of mailboxes as items.

use daybook_mail::{Mail, Malformed, Place};
use daybook_privacy::codes::KEY_DESTROYED;
use daybook_proto::legal_hold::v1::{self, ItemRemark};
use indicatif::{ProgressBar, ProgressStyle};
use legal_hold_processor::codes::{ITEM_CONFLICT, ITEM_DISPOSED, RETENTION_ALREADY_OVER};
use serde_json::{Value, json};

use crate::client::new_id;
use crate::failure::{Failure, Outcome};
use crate::output::line;
use crate::session::Session;

/// Remarks that are listed one by one. What is skipped is always listed whole.
const REMARKS_LISTED_MAX: usize = 20;

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    /// Messages that are items now.
    pub(crate) created: u64,
    /// Of those, messages that are items already, as an earlier release read them.
    pub(crate) read_again: u64,
    /// Messages that were items before the import began.
    pub(crate) unchanged: u64,
    /// Messages that are copies of others in the same import.
    pub(crate) copies: u64,
    /// Messages that were items and are disposed of: they do not come back.
    pub(crate) disposed: u64,
    /// What is no message, or stands differently under its id.
    pub(crate) skipped: Vec<Malformed>,
    /// The remarks on messages that became items.
    pub(crate) remarks: Vec<Remarked>,
}

/// A remark on an item.
#[derive(Debug)]
pub(crate) struct Remarked {
    item_id: String,
    place: Place,
    remark: ItemRemark,
}

/// A remark, for people.
pub(crate) fn remark_text(remark: ItemRemark) -> &'static str {
    match remark {
        ItemRemark::Unspecified => "",
        ItemRemark::CreatedAtFromReceived => {
            "has no date that can be read beyond doubt; it counts from when it was last received"
        }
        ItemRemark::CreatedAtFromMbox => {
            "has no date that can be read beyond doubt; it counts from the date in the mbox line"
        }
        ItemRemark::CreatedAtDayOnly => "has a date without a time; it counts from the beginning of that day in UTC",
        ItemRemark::CreatedAtZoneAssumed => "has a date without a known time zone; it is taken as UTC",
        ItemRemark::CreatedAtWeekdayDiffers => "has a date with another day of the week; it counts from the date",
        ItemRemark::AddressUnreadable => {
            "names somebody in a way that cannot be read; holds on that person do not match"
        }
        ItemRemark::AddressAmbiguous => "has an address that can be read in two ways; holds on either match",
        ItemRemark::ContainsMailbox => {
            "contains what looks like another message; its length says that it is part of this one"
        }
    }
}

impl Imported {
    /// Tells people.
    pub(crate) fn show(&self) {
        line(format_args!("{} messages imported, {} skipped", self.created, self.skipped.len()));
        let details = [
            (self.unchanged, "were there before"),
            (self.copies, "are copies of others in this import"),
            (self.disposed, "had been deleted and stay so"),
            (self.read_again, "of those imported stand there as an earlier release read them as well"),
        ];
        let details: Vec<_> =
            details.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if !details.is_empty() {
            line(details.join(", "));
        }
        for Malformed { place, reason } in &self.skipped {
            line(format_args!("  skipped {place}: {reason}"));
        }
        for Remarked { item_id, place, remark } in self.remarks.iter().take(REMARKS_LISTED_MAX) {
            line(format_args!("  remark {place} ({item_id}): {}", remark_text(*remark)));
        }
        if self.remarks.len() > REMARKS_LISTED_MAX {
            line(format_args!("  and {} remarks more; --json lists them all", self.remarks.len() - REMARKS_LISTED_MAX));
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let placed = |place: &Place, more: &[(&str, &str)]| {
            let mut value = json!({ "place": place.to_string(), "file": place.file, "position": place.position });
            for (name, text) in more {
                value[*name] = (*text).into();
            }
            value
        };
        let skipped = self.skipped.iter().map(|Malformed { place, reason }| placed(place, &[("reason", reason)]));
        let remarks = self.remarks.iter().map(|Remarked { item_id, place, remark }| {
            placed(place, &[("itemId", item_id), ("remark", remark.as_str_name()), ("text", remark_text(*remark))])
        });
        json!({
            "createdCount": self.created,
            "readAgainCount": self.read_again,
            "unchangedCount": self.unchanged,
            "copiesCount": self.copies,
            "disposedCount": self.disposed,
            "skipped": skipped.collect::<Vec<_>>(),
            "remarks": remarks.collect::<Vec<_>>(),
        })
    }

    /// What is skipped is a failure: no hold can match it.
    ///
    /// # Errors
    /// Something was skipped.
    pub(super) fn check(&self) -> Outcome {
        if self.skipped.is_empty() {
            return Ok(());
        }
        let Self { created, unchanged, copies, disposed, skipped, .. } = self;
        let total = created + unchanged + copies + disposed + skipped.len() as u64;
        let message =
            format!("{} of {total} were not imported, and no hold can match them; the others were", skipped.len());
        Err(Failure::new(message).hint(
            "each is listed with its reason: mend it and import again, or register it with `daybook item register`",
        ))
    }

    async fn register(&mut self, to: Destination<'_>, items: Vec<v1::Item>) -> Outcome {
        let request = v1::RegisterItemsRequest {
            command_id: new_id(),
            tenant_id: to.session.tenant.clone(),
            items,
            refuse_due: !to.accept_due,
        };
        let response: v1::RegisterItemsResponse = to.session.client.command(&request.command_id, &request).await?;
        self.created += u64::from(response.created_count);
        self.unchanged += u64::from(response.unchanged_count);
        Ok(())
    }

    /// Registers a batch; one that is refused for how one of its items stands is registered item by item.
    async fn register_batch(&mut self, to: Destination<'_>, mail: Vec<Mail>) -> Outcome {
        let items = mail.iter().map(|mail| mail.item.clone()).collect();
        match self.register(to, items).await {
            Err(failure) if stands_otherwise(&failure) => {
                for mail in mail {
                    self.register_one(to, mail).await?;
                }
                Ok(())
            }
            result => {
                result?;
                mail.into_iter().for_each(|mail| self.note_remarks(mail));
                Ok(())
            }
        }
    }

    async fn register_one(&mut self, to: Destination<'_>, mut mail: Mail) -> Outcome {
        match self.register(to, vec![mail.item.clone()]).await {
            Err(failure) if was_disposed(&failure) => self.disposed += 1,
            Err(failure) if stands_otherwise(&failure) => {
                if !is_read_otherwise(to.session, &mail.item).await? {
                    self.skip(mail, &failure);
                    return Ok(());
                }
                // The message stands there with other people or another text. Both readings are kept: holds match either.
                mail.item.item_id = daybook_mail::id_of_reading(&mail.item);
                let before = self.created;
                match self.register(to, vec![mail.item.clone()]).await {
                    Err(failure) if was_disposed(&failure) => self.disposed += 1,
                    Err(failure) if stands_otherwise(&failure) => self.skip(mail, &failure),
                    result => {
                        result?;
                        self.read_again += self.created - before;
                        self.note_remarks(mail);
                    }
                }
            }
            result => {
                result?;
                self.note_remarks(mail);
            }
        }
        Ok(())
    }

    fn skip(&mut self, Mail { item, place }: Mail, failure: &Failure) {
        let reason = format!("{} ({})", failure.message(), item.item_id);
        self.skipped.push(Malformed { place, reason });
    }

    fn note_remarks(&mut self, Mail { item, place }: Mail) {
        let one = |remark| Remarked { item_id: item.item_id.clone(), place: place.clone(), remark };
        self.remarks.extend(item.remarks().map(one));
    }
}

/// Where an import registers its messages.
#[derive(Clone, Copy)]
struct Destination<'a> {
    session: &'a Session,
    accept_due: bool,
}

/// Registers the messages of mailboxes. Importing again is safe: an item's id is made of its message, and what was
/// deleted stays deleted. A message that would be deleted at once, because its retention is over already, is left out
/// unless `accept_due`.
pub(crate) async fn import(
    session: &Session,
    paths: &[std::path::PathBuf],
    options: &daybook_mail::Options<'_>,
    accept_due: bool,
) -> Outcome<Imported> {
    let to = Destination { session, accept_due };
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} messages, {per_sec}") {
        bar.set_style(style);
    }
    let mut imported = Imported::default();
    for batch in daybook_mail::batches(daybook_mail::read(paths, options)?) {
        imported.skipped.extend(batch.malformed);
        imported.copies += batch.copies;
        if batch.mail.is_empty() {
            continue;
        }
        bar.inc(batch.mail.len() as u64);
        imported.register_batch(to, batch.mail).await.map_err(|failure| {
            let before = imported.created;
            failure.hint(format!("{before} messages were imported before; import again: what is there is passed over"))
        })?;
    }
    bar.finish_and_clear();
    Ok(imported)
}

/// Whether an item was deleted before: the key that its content would need is gone.
fn was_disposed(failure: &Failure) -> bool {
    [ITEM_DISPOSED.name, KEY_DESTROYED.name].iter().any(|code| failure.code() == Some(*code))
}

/// Whether an item is refused because of how it stands, as opposed to how it was asked for.
fn stands_otherwise(failure: &Failure) -> bool {
    was_disposed(failure)
        || [ITEM_CONFLICT.name, RETENTION_ALREADY_OVER.name].iter().any(|code| failure.code() == Some(*code))
}

/// Whether what stands under an item's id is the same copy of the same message under the same rules: then only its reading
/// differs, which is the work of an earlier release.
async fn is_read_otherwise(session: &Session, item: &v1::Item) -> Outcome<bool> {
    let request =
        v1::GetItemRequest { tenant_id: session.tenant.clone(), item_id: item.item_id.clone(), ..Default::default() };
    let response: v1::GetItemResponse = session.client.ask(&request).await?;
    let facts = |item: &v1::Item| {
        let mut cases = item.case_ids.clone();
        cases.sort();
        cases.dedup();
        let texts =
            [&item.content_hash, &item.reference, &item.data_category, &item.retention_class_id].map(Clone::clone);
        (texts, item.kind, item.created_at, cases)
    };
    let standing = response.item.and_then(|status| status.item);
    Ok(standing.is_some_and(|standing| facts(&standing) == facts(item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remark_has_a_text_for_people() {
        let remarks: Vec<_> = (1..).map_while(|number| ItemRemark::try_from(number).ok()).collect();
        assert_eq!(remarks.len(), 8);
        assert!(remarks.iter().all(|remark| !remark_text(*remark).is_empty()));
    }

    #[test]
    fn what_is_skipped_is_a_failure() {
        assert!(Imported { created: 3, ..Default::default() }.check().is_ok());
        let place = Place { file: "a".to_owned(), position: Some(7) };
        let skipped = vec![Malformed { place, reason: "has no date".to_owned() }];
        let imported = Imported { created: 3, skipped, ..Default::default() };
        assert!(imported.check().unwrap_err().message().starts_with("1 of 4 were not imported"));
        let listed = &imported.to_json()["skipped"][0];
        assert_eq!(*listed, json!({ "place": "mbox:a#7", "file": "a", "position": 7, "reason": "has no date" }));
    }
}
