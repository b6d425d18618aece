//! What the store promises, as tests. `contract` holds for every database; the rest is about files.

#[path = "../cluster/mod.rs"]
mod cluster;
mod contract;
mod failing;
mod on_postgres;
mod opening;
mod samples;
mod secrets;
mod sharing;
mod tester;

macro_rules! on_both {
    ($($module:ident::$name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let store = lockstep_store::Store::open_temporary().await.expect("a store");
                crate::contract::$module::$name(&store).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(store) = crate::on_postgres::store().await {
                    crate::contract::$module::$name(&store).await;
                }
            })+
        }
    };
}

on_both! {
    sites::a_site_is_added_found_edited_and_removed,
    sites::a_name_belongs_to_one_site,
    sites::a_nameless_site_is_made_once_for_an_address,
    sites::the_default_site_is_the_marked_one_or_the_only_named_one,
    sites::a_token_is_read_back_and_forgotten,
    sites::another_address_makes_the_next_write_a_first_write,
    overrides::overrides_read_back_and_empty_ones_are_forgotten,
    overrides::the_policy_hash_changes_with_every_setting_and_override,
    overrides::memories_read_back,
    runs::a_run_is_made_and_found,
    runs::runs_come_newest_first_in_pages_with_their_counts,
    runs::a_run_goes_from_queued_to_done,
    runs::counts_agree_with_the_status_of_every_row,
    changes::a_change_reads_back_as_it_was_recorded,
    changes::an_unchanged_list_is_stored_once,
    changes::the_latest_failures_and_the_history_of_a_channel_go_over_all_runs,
    runs::a_removed_site_takes_its_runs_with_it,
    steps::another_fence_changes_nothing,
    steps::a_step_out_of_turn_is_refused,
    steps::of_two_approvals_one_is_refused,
    steps::what_was_not_chosen_is_dropped,
    steps::an_outcome_after_the_end_is_recorded,
    steps::a_moved_base_replaces_the_change_before_it_is_written,
    holds::a_hold_outlives_its_run_until_a_plan_finds_it_gone,
    holds::a_hold_keeps_its_age_while_the_same_names_are_held,
    holds::holds_of_channels_that_are_gone_are_forgotten_by_a_run_over_all,
    holds::a_run_that_did_not_look_afresh_leaves_holds_alone,
    holds::the_digest_of_a_hold_is_the_planners,
    events::events_are_numbered_without_gaps,
    events::old_events_of_channels_are_forgotten,
    events::the_feed_of_all_runs_has_every_event_once_in_its_order,
    idempotency::a_request_is_begun_once_and_its_answer_is_kept_for_a_day,
    listing::runs_are_found_by_what_they_are_and_what_is_in_them,
    listing::heads_of_a_run_have_the_status_of_its_rows,
    listing::heads_of_models_have_the_status_of_all_their_values,
    listing::runs_are_found_by_who_had_them_done_and_by_what_they_come_from,
    listing::pages_of_a_run_join_to_its_heads,
    listing::pages_of_a_price_run_join_to_its_heads,
    results::the_newest_result_of_each_channel_counts_since_the_last_full_run,
    results::results_are_filtered_searched_and_ordered,
    known::channels_are_found_ordered_and_counted_since_the_last_full_run,
    known::names_and_providers_are_those_of_the_newest_results,
    standing::models_come_by_how_they_stand_the_oddest_first,
    standing::what_has_no_price_is_found_in_both_kinds_of_runs,
    prices::a_price_reads_back_as_it_was_recorded,
    prices::a_long_expression_is_stored_once,
    prices::prices_are_counted_by_model,
    prices::what_went_wrong_with_one_value_went_wrong_with_its_model,
    prices::the_history_and_the_latest_failures_of_a_model_go_over_all_runs,
    prices::a_removed_site_takes_its_prices_with_it,
    price_steps::another_fence_changes_no_price,
    price_steps::a_price_step_out_of_turn_or_about_something_else_is_refused,
    price_steps::a_price_run_goes_from_queued_to_done,
    price_steps::of_two_approvals_of_prices_one_is_refused,
    price_steps::what_was_not_chosen_or_is_held_in_part_is_not_approved,
    price_steps::an_outcome_of_a_price_after_the_end_is_recorded,
    price_steps::moved_maps_replace_a_price_before_it_is_written,
    price_steps::images_are_kept_byte_for_byte,
    price_steps::the_sources_of_a_run_are_kept_in_their_order,
    price_steps::events_of_prices_name_model_and_field,
    price_holds::a_price_hold_outlives_its_run_until_a_plan_finds_it_gone,
    price_holds::a_price_hold_keeps_its_age_while_the_same_is_held,
    price_holds::a_plan_that_adds_or_did_not_look_forgets_no_price_hold,
    price_holds::price_holds_are_forgotten_only_by_a_run_over_all_models,
    price_holds::a_run_about_models_after_one_about_prices_is_over_all_channels,
    price_memory::answers_read_back_and_are_forgotten,
    price_memory::a_price_seen_keeps_its_time_until_it_changes,
    price_memory::accepted_prices_read_back,
    sources::sources_keep_their_order,
    sources::the_price_policy_hash_changes_with_settings_sources_and_answers,
    sources::a_copy_takes_the_place_of_the_one_before,
    sources::calls_to_a_host_are_taken_up_to_the_most,
    source_access::what_lets_us_into_a_source_is_kept_changed_and_forgotten_with_it,
    source_access::secrets_of_sources_are_apart_and_go_with_their_sources,
    source_access::an_uploaded_list_is_kept_for_as_long_as_its_source,
    source_access::what_was_wrong_is_told_until_a_good_list_comes,
    leases::fences_grow_over_all_gateways,
    leases::a_gateway_has_one_holder_at_a_time,
    runs::a_run_is_asked_to_end,
    runs::runs_without_a_holder_are_found,
    texts::every_text_reads_back_as_it_was,
    dropped::a_dropped_future_leaves_no_half_transaction,
    notices::a_run_that_came_to_rest_is_found_until_one_process_settled_it,
    notices::a_plan_that_goes_on_by_itself_is_not_at_rest,
    notices::a_target_is_added_found_silenced_and_removed,
    notices::findings_read_back,
    notices::what_is_wrong_is_told_once_and_taken_back_by_site_and_subject,
    notices::what_reached_nobody_is_told_again,
    notices::what_nobody_hears_is_told_once_somebody_does,
    notices::what_is_to_be_told_is_stored_with_what_is_told,
    notices::what_was_sent_is_remembered_for_90_days,
    notices::a_lost_tick_is_told_until_a_run_comes,
    schedule::a_schedule_reads_back_as_it_was_set_and_goes_with_its_site,
    schedule::a_tick_is_taken_once_and_can_be_given_back,
    schedule::a_tick_and_its_run_are_one_and_what_came_to_nothing_is_due_again,
    schedule::lost_ticks_are_told_newest_first_and_forgotten_with_the_history,
    schedule::old_runs_go_with_their_rows_and_texts_and_the_newest_stay,
    schedule::runs_that_something_needs_stay_whatever_their_age,
    people::a_link_sets_a_password_once_and_ends_every_session,
    people::a_link_out_of_time_does_nothing,
    people::another_password_ends_the_sessions_but_one,
    people::a_session_is_over_without_use_and_in_all,
    people::a_token_of_a_program_is_found_by_its_digest_and_removed,
    people::deeds_come_newest_first_by_site_and_kind_in_pages,
    people::a_deed_is_noted_with_the_write_that_it_is_of_or_not_at_all,
}
