//! What states, policies and answers are called, in Chinese.

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::hold::Answer;
use lockstep_core::models::policy::Policy;

use crate::words::Label;

/// How far a change got.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Same => "已一致",
        State::Skipped => "已跳过",
        State::Held => "待确认",
        State::Unread => "未能读取",
        State::Ready => "可应用",
        State::Approved => "写入中",
        State::Applied => "已更改",
        State::Moved => "已变动",
        State::Failed => "失败",
        State::Unverified => "未能核实",
        State::Dropped => "未写入",
    }
}

/// How far a run got.
pub(crate) fn run_state(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "排队中",
        RunState::Reading => "读取中",
        RunState::Planned => "已生成计划",
        RunState::Writing => "写入中",
        RunState::Done => "已完成",
        RunState::Partial => "部分完成",
        RunState::Failed => "失败",
        RunState::Cancelled => "已取消",
    }
}

/// What a run is about.
pub(crate) fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Models => "模型列表",
        Subject::Prices => "价格",
    }
}

/// What started a run; a word that is not known is shown as it is stored.
pub(crate) fn trigger(code: &str) -> &str {
    match code {
        "plan" => "预览",
        "sync" => "执行全部",
        "selected" => "执行所选",
        "retry-failed" => "仅重试失败项",
        "apply-held" => "应用待确认项",
        "undo" => "撤销",
        "unpriced" => "未设置价格的模型",
        "review" => "所选价格",
        "schedule" => "定时执行",
        other => other,
    }
}

/// A policy, and what it does.
pub(crate) fn policy(policy: Policy) -> Label {
    match policy {
        Policy::Mirror => Label {
            label: "跟随上游",
            text: "跟随上游的新增和移除；手动修改的内容保留。",
        },
        Policy::Exact => Label {
            label: "完全一致",
            text: "始终等于上游列表（应用规则之后），手动修改会被覆盖。",
        },
        Policy::AddOnly => Label {
            label: "仅新增",
            text: "跟随上游，但从不移除模型。",
        },
        Policy::PruneOnly => Label {
            label: "仅移除",
            text: "跟随上游，但从不新增模型：适合精选列表。",
        },
        Policy::ReportOnly => Label {
            label: "仅报告",
            text: "只显示差异，从不写入。",
        },
        Policy::Exclude => Label {
            label: "排除",
            text: "不处理该渠道。",
        },
    }
}

/// An answer to a hold, and what it does.
pub(crate) fn answer(answer: Answer) -> Label {
    match answer {
        Answer::ApplyAnyway => Label {
            label: "仍然应用",
            text: "写入待确认的更改，仅此一次。",
        },
        Answer::KeepUntilItChanges => Label {
            label: "保持不变，直到再次变化",
            text: "渠道保持原样，直到待确认的更改变成别的更改。",
        },
        Answer::AlwaysAllow => Label {
            label: "在此渠道始终允许",
            text: "今后不再因为这个原因暂缓该渠道。",
        },
        Answer::NeverSync => Label {
            label: "不再同步此渠道",
            text: "将其策略设为“排除”。",
        },
    }
}
