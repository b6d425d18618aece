use lockstep_core::change::State;
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;

use crate::tester::{NOW, planned, row, site};

pub(crate) async fn every_text_reads_back_as_it_was(store: &Store) {
    let site = site(store).await;
    let texts = [
        "",
        "a\0b",
        "\0",
        "\u{10FFFF}0",
        "\u{202E}right",
        "\r\n\t",
        "é 漢 🦀",
        "'\"\\$1?",
    ];
    let rows = (0..).zip(texts).map(|(id, text)| ChangeRow {
        channel_name: text.to_owned(),
        before: text.to_owned(),
        held_add: vec![text.to_owned()],
        ..row(id, State::Same)
    });
    let run = planned(store, &site, rows.collect(), NOW).await;
    for (change, text) in store
        .changes(&run.id)
        .await
        .expect("read")
        .iter()
        .zip(texts)
    {
        assert_eq!(change.channel_name, text);
        assert_eq!(change.before, text);
        assert_eq!(change.held_add, [text]);
    }
}
