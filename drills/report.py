"""A drill's result for machines (one JSON object) and for people (a page of text, Chinese or English)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drills.run import Result
from drills.score import overall

WORDS = {
    "zh": {
        "seen": "发现", "missed": "漏报", "after": "{:.0f} 秒后", "recall": "步骤检出", "exact": "到技术级",
        "decoys": "诱饵误报", "false": "误报告警", "placebo": "无攻击对照中误触发", "risk": "风险 +{}",
    },
    "en": {
        "seen": "seen", "missed": "MISSED", "after": "after {:.0f} s", "recall": "steps detected",
        "exact": "by technique", "decoys": "decoys flagged", "false": "false alerts",
        "placebo": "fired without the attack", "risk": "risk +{}",
    },
}


def as_object(result: Result) -> dict[str, Any]:
    """What `./soc drill run --json` prints and the console shows."""
    matched, score, scenario = result.matched, result.score, result.scenario
    titles = {step.number: step.title for step in scenario.steps}
    return {
        "id": scenario.id,
        "name": scenario.name.model_dump(),
        "seed": result.seed,
        "started": result.started,
        "systems": scenario.systems,
        "attack_version": scenario.attack_version,
        "steps": [
            {
                "no": step.no,
                "title": titles[step.no].en,
                "title_zh": titles[step.no].zh,
                "technique": step.techniques[0],
                "techniques": list(step.techniques),
                "detected": step.detected,
                "rule": step.rule,
                "rule_id": step.rule_id,
                "rules": list(step.rules),
                "after_seconds": step.after_seconds,
                "quality": step.quality,
                "risk": step.risk,
                "placebo": step.placebo,
            }
            for step in matched.steps
        ],
        "detected": score.detected,
        "missed": [step.no for step in matched.steps if not step.detected],
        "technique_level": score.technique_level,
        "step_recall": score.step_recall,
        "step_recall_interval": list(score.step_recall_interval),
        "technique_quality": score.technique_quality,
        "detection": score.detection,
        "delay_mean_seconds": score.delay_mean,
        "delay_median_seconds": score.delay_median,
        "precision": score.precision,
        "alerts": matched.alerts,
        "false_alerts": len(matched.false_alerts),
        "false_alert_rules": sorted({episode.rule_id for episode in matched.false_alerts}),
        "decoys": len(matched.decoys),
        "decoys_flagged": len(matched.decoys_flagged),
        "decoys_flagged_steps": list(matched.decoys_flagged),
        "placebo_detected": sum(step.placebo for step in matched.steps),
        "placebo_alerts": matched.placebo_alerts,
        "records": result.records,
        "quarantined": result.faults,
        "truth_sha256": result.seal,
        "seconds": result.seconds,
    }


def nightly(results: Sequence[Result]) -> dict[str, Any]:
    """What `./soc drill nightly --json` prints: `steps` counts attack steps."""
    rows = []
    for result in results:
        whole = as_object(result)
        keep = ("id", "seed", "detected", "technique_level", "decoys", "decoys_flagged", "placebo_detected",
                "false_alerts", "missed", "truth_sha256", "seconds")
        rows.append({**{key: whole[key] for key in keep}, "steps": result.score.steps})
    recall, exact = overall([result.score for result in results])
    return {
        "scenarios": rows,
        "step_recall": recall,
        "technique_quality": exact,
        "decoys": sum(row["decoys"] for row in rows),
        "decoys_flagged": sum(row["decoys_flagged"] for row in rows),
        "placebo_detected": sum(row["placebo_detected"] for row in rows),
        "false_alerts": sum(row["false_alerts"] for row in rows),
    }


def as_text(result: Result, language: str = "zh") -> str:
    """One page: every step, then the sums."""
    words, matched, score = WORDS[language], result.matched, result.score
    titles = {step.number: step.title for step in result.scenario.steps}
    lines = [f"{result.scenario.id} {getattr(result.scenario.name, language)}  seed {result.seed}", ""]
    for step in matched.steps:
        mark = "✓ " + words["seen"] if step.detected else "✗ " + words["missed"]
        told = [getattr(titles[step.no], language), step.techniques[0]]
        if step.after_seconds is not None:
            told += [words["after"].format(step.after_seconds), step.rule, step.quality]
        if step.risk:
            told.append(words["risk"].format(step.risk))
        lines.append(f"  {step.no:<5}{mark}  " + " · ".join(told))
    lines += [
        "",
        f"  {words['recall']} {score.detected}/{score.steps}, {words['exact']} {score.technique_level}",
        f"  {words['decoys']} {len(matched.decoys_flagged)}/{len(matched.decoys)}, "
        f"{words['false']} {len(matched.false_alerts)}, {words['placebo']} {sum(s.placebo for s in matched.steps)}",
    ]
    return "\n".join(lines)
