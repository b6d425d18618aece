//! The words of the pages: one file a language, read into one type, so that no language can lack a key that a page uses.
//!
//! Each key is a field, and nothing here goes through all of them: so the compiler tells a word that no page says any more.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::server::caller::Scope;
pub(crate) use crate::words::Lang;

macro_rules! words {
    ($($(#[$doc:meta])* $group:ident: $type:ident { $($key:ident),+ $(,)? })+) => {
        /// Every word of the pages in one language.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Words {
            $($(#[$doc])* pub(crate) $group: $type,)+
        }
        $($(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $type {
            $(pub(crate) $key: String,)+
        })+
    };
}

words! {
    /// What is around every page.
    frame: FrameWords {
        skip, navigation, site, go, waiting, sign_out, overview, models, channels, prices, unpriced, history,
        settings, site_known_by,
    }
    /// What several pages say.
    common: CommonWords {
        save, cancel, search, all, none, previous, next, page_of, never, now, ago, in_time, actions,
    }
    /// Pages that say what went wrong.
    error: ErrorWords {
        title, not_found, not_found_hint, way_on, not_loaded, not_loaded_hint, signed_out, signed_out_hint, gone, gone_hint,
        people_only, people_only_hint,
    }
    /// Signing in.
    sign_in: SignInWords {
        title, name, password, submit, wrong, first_title, first_text, new_password, again, set, short, differ,
        bad_link, bad_link_hint, no_link, no_link_hint, plain_http, too_many, long, link, link_hint, have_link,
    }
    /// What tables say.
    table: TableWords {
        sorted_up, sorted_down, sort_by, filter, per_page, of, select, select_page, select_matching, selected,
        select_none, close, details, no_match, no_match_hint, csv, json, more, as_table, unknown, too_many,
    }
    /// What forms say.
    form: FormWords {
        optional, on, off, add, edit, test, saved, not_saved, removed, unchanged, default, recommended, possible,
        outside, one_a_line, stale,
    }
    /// A run that is under way.
    run: RunWords {
        reading, asking, writing, undoing, starting, queued, now_at, failed_so_far, left, waits, bar, cancel,
        cancelling, ended, reconnecting, no_script, reload, look,
    }
    /// The overview: a card a site.
    overview: OverviewWords {
        title, intro, last_run, no_run, no_run_hint, total_channels, success_count, failure_count, held, skipped,
        duration, next_scheduled, not_scheduled, waiting_one, waiting, unpriced, sources_in_trouble, all_well,
        last_runs, bar_run, bar_failed, bar_height, bar_height_cut, running, plan_waits, add_site, empty, empty_hint,
    }
    /// The model sync.
    models: ModelWords {
        title, intro, auto_sync_on, auto_sync_off, pace_fixed, pace_auto, total_channels, success_count, failure_count,
        held, skipped, duration, started, ended, next_scheduled, not_scheduled, changed_count, held_hint, figures,
        preview, run_all, run_selected, run_selected_count, retry_failed, refresh, apply_one, apply, chip_all,
        chip_success, chip_failed, chip_changed, chip_held, chip_skipped, search, by_provider, flat, col_status,
        col_id, col_name, col_change, col_http, col_message, col_attempts, col_finished, col_actions, sync_one,
        sync_short, old_list, new_list, old_list_hint, new_list_hint, http_hint, attempts_hint, added, removed, kept,
        dropped, held_names, no_difference, kept_count, models_count, never_run, console, select_channel, held_title,
        held_none, policy_for_provider, plan_title, plan_waits, plan_first, plan_empty, plan_moved, started_said,
        none_selected, none_failed, empty, empty_hint, no_channels, no_channels_hint, important, note_modifies,
        note_backup, note_test, note_often, note_undo, auto_sync_cron, chip_planned, asking, asking_hint,
        asking_failed, answered, was_cancelled, built_in, no_price, plan_look, plan_none, answer, preview_selected,
        apply_selected, apply_selected_hint, apply_selected_count,
    }
    /// Channels and what each has of its own.
    channels: ChannelWords {
        title, intro, search, col_channel, col_provider, col_type, col_policy, col_models, col_own, policy, as_site,
        as_provider, keep, allow, include, exclude, rules_hint, preview, hits, hits_nothing, no_list, one_channel,
        of_provider, of_provider_one, yours, yours_hint, yours_added, yours_removed, release, release_hint,
        allowed_reasons, reset, provider_list, list_over_time, empty, empty_hint, passes, loses, bad_rule,
    }
    /// The price sync.
    prices: PriceWords {
        title, intro, compared, never_compared, differ, fetch, fetch_again, choose_sources, review, review_none,
        in_dollars, in_ratios, group_ratio, chip_all, chip_new, chip_dearer, chip_cheaper, chip_suspicious, all_types,
        filter_field, filter_source, filter_reason, search, col_model, col_now, col_proposed, not_set, same,
        not_listed, input, output, cache, per_call, per_million, served_by, not_served, choose_value, choose_column,
        choose_proposals, chosen, left_out, suspicious, held, proposal_from, lock, lock_field, unlock, ignore,
        stop_ignoring, keep_kind, review_title, review_intro, current_billing, change_to, kind_changes, not_taken,
        plan_digest, apply, apply_one, back, moved, applied, failed_some, undo, verify, verify_hint, empty, empty_hint,
        no_sources, no_sources_hint, over_time, fetching, comparing, newer, by_move, show_newer, take_column, no_price,
        goes, leaves, other_kind, cache_write, formula, chip_ready, chip_held, chip_left, chip_written, chip_moved,
        chip_failed, undo_title, nothing_differs, nothing_differs_hint, review_again, plan_again, allow_held,
        held_hint, applied_one, moved_one, failed_one, failed_many, held_title, held_intro, held_none, held_none_hint,
        waits_one, waits_many, show_held, written_since, apply_chosen, keep_chosen,
    }
    /// Where prices come from.
    sources: SourceWords {
        title, intro, presets, official, official_preset, bad_list, of_channels, own, file, col_name, col_url,
        col_endpoint, col_models, col_fetched, endpoint_custom, endpoint_hint, token, token_hint, user_id, group,
        multiplier, multiplier_hint, recharge, recharge_hint, allow_network, private, accept, remembered, order_up,
        order_down, remove, test, keep_untested, left_out, taken, not_kept, bad_text, bad_endpoint, bad_number,
        endpoint_usual, token_stored, token_write_only, bad_key, bad_token, bad_user_id, user_alone, sign_in,
        sign_in_of, forget_token, elsewhere, no_credential, upload, upload_hint, upload_again, uploaded, list,
        list_name_hint, token_kept, no_file, list_too_long, list_no_text, not_uploaded, tried, never_fetched,
        never_fetched_hint, allowed, allowed_hint, costs, costs_stay, list_too_long_hint,
    }
    /// Served models without a price.
    unpriced: UnpricedWords {
        title, intro, search, col_model, col_served, col_calls, col_proposal, col_source, no_proposal, choose, ignore,
        ignored, stop_ignoring, self_use, refused, empty, empty_hint, chip_waiting, chip_proposed, as_of,
        review_chosen, review_all, waits_on,
    }
    /// Runs, what they changed, and taking it back.
    history: HistoryWords {
        title, intro, search, col_run, col_started, col_subject, col_trigger, col_actor, col_state, col_changed,
        col_failed, col_held, col_duration, all_subjects, run_title, changes, before, after, events, requests,
        throttled, planned_at, unattended, settings_then, parent, undo, undo_all, undo_chosen, undo_title, undo_hint,
        cannot_undo, undone, nothing_to_undo, nothing_left, stays_locked, price_of, list_of, no_history, empty,
        empty_hint, requests_title, approval, chosen, comes_from, when, what, setting, in_this_run, now, settings_same,
        nothing_in, nothing_in_hint, no_history_hint, list_size, provider_size, look_plan, then_applied,
        cannot_undo_said,
    }
    /// The settings.
    settings: SettingWords {
        title, basic, integration, base_url, base_url_hint, admin_token, admin_token_hint, admin_token_stored, user_id,
        user_id_hint, console_url, console_url_hint, allow_private, allow_private_hint, test, test_hint, test_ok,
        test_failed, auto_sync, auto_sync_hint, auto_sync_review, review_plan, interval, interval_hint,
        interval_outside, hours, pace_title, estimate, estimate_auto, many_title, many_concurrency, many_requests,
        many_manual, rate_tip, view_results, guards, guards_hint, gate, sources, notices, people, language, theme_hint,
        missing, missing_hint, go_to, by_file, price_runs, history, auto_sync_prices,
    }
    /// Adding and changing sites.
    sites: SiteWords {
        add_title, add_first, add_hint, name, name_hint, save, keep_untested, kept, not_kept, checked, ok, notice,
        wrong, default, make_default, remove, remove_hint, remove_type, removed, bad_url, more, not_named, bad_name,
        taken, bad_credentials, bad_query, bad_user_id, bad_token, token_again, token_gone, bad_network,
    }
    /// Notices: who is told what.
    notices: NoticeWords {
        title, intro, add, col_name, col_kind, col_events, col_last, kind_webhook, kind_telegram, kind_ntfy,
        kind_feishu, kind_dingtalk, kind_wecom, kind_email, failed, held, changed, source_trouble, price_moved,
        unpriced, below_cost, enabled, test, test_sent, test_failed, arrived, not_arrived, empty, empty_hint, places,
        everything, silent, change, remove, remove_now, remove_hint, added, added_hint, not_added, taken, type_again,
        name_hint, missed, kind_test, gone, again, to_be_sent, not_sent, never_sent, never_sent_hint, none_told,
        open_title, open_hint, open_empty, open_empty_hint, nobody, unwatched, unwatched_hint, empty_schedule, since,
        told_at, not_told, sent_title, col_when, col_to, col_about, col_result, address, bot_token, topic, webhook,
        server, address_webhook, address_telegram, address_ntfy, address_feishu, address_dingtalk, address_wecom,
        address_email, signing, access_token, password, secret_webhook, secret_ntfy, secret_feishu, secret_dingtalk,
        secret_email, chat, chat_hint, to, to_hint, user, user_hint, networks_hint, bad_name, bad_address, bad_scheme,
        bad_credentials, bad_topic, bad_bot_token, bad_chat, bad_unencrypted, bad_secret, bad_no_mail, bad_mail, from,
        from_hint, kept, no_secret, secret_again, not_changed,
    }
    /// Tokens of programs, and people.
    tokens: TokenWords {
        title, tokens, tokens_hint, make, name, may, scope_read, scope_plan, scope_apply, scope_ratio_sync, expires,
        never, days, created, seen, made, revoke, revoked, revoke_hint, empty, people, password, old_password, changed,
        sessions, this_session, end, end_others, intro, short_read, short_plan, short_apply, short_ratio_sync,
        made_hint, name_hint, empty_hint, revoke_now, taken, bad_name, no_scope, not_made, wrong_old, not_changed,
        password_hint, password_set, you, ended, since, deeds, deeds_hint, deeds_empty, who, what, older, newest,
    }
    /// What runs by itself, and when.
    schedule: ScheduleWords {
        title, models, prices, at_times, cron, cron_hint, zone, mode, mode_write, mode_propose, next, switched_off,
        review_first, needs_source, stricter, bad_line, bad_zone, never_comes, too_often,
    }
}

static EN: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../locales/en.toml")));
static ZH_CN: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../locales/zh-CN.toml")));

impl Lang {
    /// Its words.
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::ZhCn => &ZH_CN,
        }
    }
}

impl TokenWords {
    /// A scope in a word or two.
    pub(crate) fn scope(&self, scope: Scope) -> &str {
        match scope {
            Scope::Read => &self.short_read,
            Scope::Plan => &self.short_plan,
            Scope::Apply => &self.short_apply,
            Scope::RatioSync => &self.short_ratio_sync,
        }
    }
}

/// A text with its gaps filled.
pub(crate) fn fill(text: &str, values: &[(&str, &dyn std::fmt::Display)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(&value.to_string()),
            None => {
                filled.push('{');
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// The text for one, or for so many.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        one.to_owned()
    } else {
        fill(many, &[("n", &n)])
    }
}

fn read(text: &str) -> Words {
    match toml::from_str(text) {
        Ok(words) => words,
        // The files are part of the program, and a test reads every one of them.
        Err(error) => panic!("a language of the pages cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const FILES: [&str; 2] = [
        include_str!("../../locales/en.toml"),
        include_str!("../../locales/zh-CN.toml"),
    ];

    /// Every word of a file, by its group and key.
    fn all(file: &str) -> BTreeMap<String, String> {
        let table: toml::Table = toml::from_str(file).expect("reads");
        let mut all = BTreeMap::new();
        for (group, words) in &table {
            for (key, word) in words.as_table().expect("a group") {
                let word = word.as_str().expect("a text");
                all.insert(format!("{group}.{key}"), word.to_owned());
            }
        }
        all
    }

    /// The gaps of every text, by its key.
    fn gaps(file: &str) -> Vec<(String, Vec<String>)> {
        let gaps = |word: &str| {
            let parts = word.split('{').skip(1);
            let mut names: Vec<String> = parts
                .filter_map(|rest| rest.split_once('}'))
                .map(|(name, _)| name.to_owned())
                .collect();
            names.sort();
            names
        };
        let all = all(file).into_iter();
        all.map(|(name, word)| (name, gaps(&word))).collect()
    }

    #[test]
    fn every_language_has_every_key_with_the_same_gaps() {
        for lang in Lang::ALL {
            assert!(!lang.words().frame.overview.is_empty());
        }
        let [en, zh] = FILES.map(gaps);
        assert_eq!(en, zh);
    }

    /// Names, and an example of an address, which are the same in both languages.
    const ALIKE: [&str; 5] = [
        "sources.endpoint_hint",
        "sources.col_url",
        "notices.kind_webhook",
        "notices.kind_telegram",
        "notices.kind_ntfy",
    ];

    #[test]
    fn every_word_is_said_in_its_own_language() {
        let chinese = |text: &str| {
            text.chars()
                .any(|one| ('\u{4e00}'..='\u{9fff}').contains(&one))
        };
        let [en, zh] = FILES.map(all);
        for ((name, en), zh) in en.iter().zip(zh.values()) {
            assert!(!en.is_empty() && !chinese(en), "{name}: `{en}`");
            assert_eq!(
                chinese(zh),
                !ALIKE.contains(&name.as_str()),
                "{name}: `{zh}`"
            );
            assert_eq!(en.trim(), en, "{name}");
            assert_eq!(zh.trim(), zh, "{name}");
            assert!(!en.ends_with('.') || zh.ends_with('。'), "{name}: `{zh}`");
        }
    }

    #[test]
    fn what_the_gateways_console_has_a_chinese_name_for_is_called_so() {
        let words = all(FILES[1]);
        for (key, term) in [
            ("prices.title", "上游价格同步"),
            ("frame.prices", "上游价格同步"),
            ("sources.col_endpoint", "同步端点"),
            ("sources.official_preset", "官方"),
            ("prices.col_now", "当前价格"),
            ("prices.not_set", "未设置"),
            ("prices.same", "与本地相同"),
            ("prices.choose_column", "筛选结果"),
            ("table.select_matching", "全选（筛选结果"),
            ("prices.kind_changes", "确认账单冲突"),
            ("prices.current_billing", "当前计费"),
            ("prices.change_to", "更改为"),
            ("prices.empty", "未发现价格差异"),
            ("prices.applied", "价格同步成功"),
            ("prices.applied_one", "价格同步成功"),
            ("prices.failed_some", "部分渠道失败"),
            ("models.run_all", "执行全部"),
            ("models.run_selected", "执行所选"),
            ("models.retry_failed", "仅重试失败项"),
            ("models.refresh", "刷新结果"),
            ("models.total_channels", "渠道总数"),
            ("models.success_count", "成功数量"),
            ("models.failure_count", "失败数量"),
            ("models.duration", "耗时"),
            ("models.next_scheduled", "下次计划时间"),
            ("models.not_scheduled", "未计划"),
            ("settings.auto_sync", "自动同步"),
            ("settings.interval", "执行间隔"),
            ("channels.allow", "允许的模型列表"),
            ("channels.rules_hint", "全局过滤规则"),
        ] {
            let said = words.get(key).map_or("", String::as_str);
            assert!(said.contains(term), "{key}: `{said}` lacks {term}");
        }
        for (key, term) in [
            ("concurrency", "并发数量"),
            ("max-retries", "最大重试次数"),
            ("channel-timeout", "单渠道最大处理时长"),
            ("requests-per-minute", "每分钟请求数"),
            ("burst", "突发请求上限"),
            ("allow", "允许的模型列表"),
        ] {
            let setting = Lang::ZhCn.setting(key).expect("a setting");
            assert_eq!(setting.label, term);
        }
        // One word for one thing: the provider is the gateway's upstream, and what was written is read back.
        for (key, said) in &words {
            assert!(!said.contains("供应商"), "{key}: `{said}`");
            assert!(!said.contains("回读"), "{key}: `{said}`");
        }
    }

    #[test]
    fn gaps_are_filled_and_what_is_unknown_stays() {
        assert_eq!(fill("{n} of {m}{", &[("n", &1), ("m", &"2")]), "1 of 2{");
        assert_eq!(fill("{x}", &[]), "{x}");
    }
}
