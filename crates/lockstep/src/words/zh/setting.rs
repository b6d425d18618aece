//! The settings of a site, as pages show them, in Chinese.

use crate::words::{Label, Setting};

/// A setting by its key in the table of settings.
pub(crate) fn setting(key: &str) -> Option<Setting> {
    let (label, text, outside) = match key {
        "pace" => (
            "请求节奏",
            "固定：按下面的数值。自动：使用网关自身限流额度的 70%。",
            "",
        ),
        "requests-per-minute" => (
            "每分钟请求数",
            "固定节奏下的 API 请求频率。请根据服务器性能调整。",
            "过高会引发 429 错误并拖慢网关自身的页面，过低会使运行时间很长",
        ),
        "burst" => (
            "突发请求上限",
            "令牌桶容量：短时间内最多可以连续发出的请求数。",
            "过大可能被当作攻击，过小会使小规模运行变慢",
        ),
        "concurrency" => (
            "并发数量",
            "同时处理的渠道数量。",
            "同时处理过多渠道会加重网关负载并引发 429 错误",
        ),
        "max-retries" => (
            "最大重试次数",
            "对可能恢复的失败的额外尝试次数；明确被拒绝的请求不会重试。",
            "过少会在网络短暂波动时放弃，过多会掩盖持续的故障",
        ),
        "channel-timeout" => ("单渠道超时", "单个渠道每次尝试的时间上限，单位为秒。", ""),
        "policy" => (
            "策略",
            "渠道的模型列表如何变化；渠道或其上游另有策略的除外。",
            "",
        ),
        "keep" => ("始终保留", "绝不移除的模型名称，每行一个。", ""),
        "allow" => (
            "允许的模型列表",
            "只同步这些模型，每行一个；留空表示全部。",
            "",
        ),
        "include" => (
            "包含规则",
            "只同步匹配其中任一规则的模型，每行一个；留空表示全部。",
            "",
        ),
        "exclude" => ("排除规则", "匹配其中任一规则的模型不同步，每行一个。", ""),
        "enabled-only" => ("仅同步已启用的渠道", "跳过已禁用的渠道。", ""),
        "limit-removal" => (
            "移除：占列表的比例",
            "移除超过该百分比的模型需要确认；适用于 10 个及以上模型的列表。",
            "",
        ),
        "limit-removal-names" => (
            "移除：短列表的个数",
            "移除超过该个数需要确认；适用于不足 10 个模型的列表。",
            "",
        ),
        "limit-addition" => (
            "新增：占列表的比例",
            "超出下面的个数后，新增超过现有列表的该百分比需要确认。",
            "",
        ),
        "limit-addition-names" => ("新增：个数", "一个渠道总是可以新增这么多个模型。", ""),
        "limit-shrink" => (
            "可信的列表大小",
            "上游列表低于上次正常大小的该百分比时，不移除任何模型。",
            "",
        ),
        "limit-run" => (
            "整次运行：失去模型的上游",
            "一次运行中失去模型的上游超过该百分比时，所有移除都需要确认。",
            "",
        ),
        "limit-run-providers" => (
            "整次运行：上游数量下限",
            "上游少于该数量时，不判断上面的比例。",
            "",
        ),
        "second-read" => (
            "自动移除的等待时间",
            "模型从上游消失达到该分钟数之后，定时执行才会移除它。",
            "",
        ),
        "price-gate" => ("价格闸门", "如何处理尚未设置价格的新增模型。", ""),
        "price-mode" => (
            "价格运行的范围",
            "为未设置价格的模型设置价格、更新已有的价格，或两者都做。",
            "",
        ),
        "price-all-models" => (
            "包括未提供的模型",
            "价格运行也处理没有任何已启用渠道提供的模型。",
            "",
        ),
        "price-markup" => (
            "加价",
            "每行一条“规则=系数”；价格乘以第一条匹配模型名称的规则的系数。",
            "",
        ),
        "price-rounding" => (
            "舍入",
            "计算得出的价格如何写入：none，或小数位数、有效位数，例如 `3 digits`。",
            "",
        ),
        "source-timeout" => ("来源超时", "单个价格来源全部尝试的时间上限，单位为秒。", ""),
        "limit-price-times" => ("价格：倍数", "价格升高或降低达到该倍数以上需要确认。", ""),
        "limit-price-fall" => ("价格：降幅", "定时执行时，降价超过该百分比需要确认。", ""),
        "limit-price-rise" => ("价格：涨幅", "定时执行时，涨价超过该百分比需要确认。", ""),
        "limit-price-run" => (
            "整次价格运行：模型比例",
            "定时执行时，更改的模型超过已定价模型的该百分比，整次运行都需要确认。",
            "",
        ),
        "limit-price-run-models" => (
            "整次价格运行：模型数量下限",
            "更改的模型少于该数量时，不判断上面的比例。",
            "",
        ),
        "price-first-seen" => (
            "新价格的等待时间",
            "来源给出某个价格达到该分钟数之后，定时执行才会写入。",
            "",
        ),
        _ => return None,
    };
    Some(Setting {
        label,
        text,
        outside: (!outside.is_empty()).then_some(outside),
    })
}

/// One of the values that a setting can have, where they are few.
pub(crate) fn choice(key: &str, value: &str) -> Option<Label> {
    let (label, text) = match (key, value) {
        ("pace", "fixed") => ("固定", "由“每分钟请求数”和“突发请求上限”决定。"),
        ("pace", "auto") => ("自动", "使用网关自身限流额度的 70%。"),
        ("price-gate", "hold") => ("暂缓加入", "在设置价格之前，列在“未设置价格”中等待。"),
        ("price-gate", "list") => ("加入并列出", "加入列表，并列在“未设置价格”中。"),
        ("price-gate", "off") => ("关闭", "不检查价格。"),
        ("price-mode", "add") => ("新价格", "只处理尚未设置价格的模型。"),
        ("price-mode", "update") => ("更新", "只处理已设置价格的模型。"),
        ("price-mode", "both") => ("两者", "处理所有模型。"),
        _ => return None,
    };
    Some(Label { label, text })
}
