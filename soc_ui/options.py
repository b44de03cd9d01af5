"""What Streamlit is told: no outside request, no statistics, no file watching, our colours (docs/screens)."""

from __future__ import annotations

from typing import Any

FONT = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
MONO = "'Noto Sans Mono','Noto Sans Mono CJK SC',Menlo,Consolas,monospace"

LIGHT = {
    "primaryColor": "#0B5CAD", "backgroundColor": "#FFFFFF", "secondaryBackgroundColor": "#F4F6F8",
    "textColor": "#0E161E", "linkColor": "#0B5CAD", "borderColor": "#D5DBE1", "greenColor": "#1B6E3C",
    "violetColor": "#6B3FA0", "redColor": "#7A0C12", "orangeColor": "#B8480A",
}
DARK = {
    "primaryColor": "#6CB0F5", "backgroundColor": "#10161D", "secondaryBackgroundColor": "#18212B",
    "textColor": "#E6EBF0", "linkColor": "#6CB0F5", "borderColor": "#33414F", "greenColor": "#7FD6A0",
    "violetColor": "#C9A7F0", "redColor": "#F2555A", "orangeColor": "#FF9E3D",
}


def options(host: str, port: int) -> dict[str, Any]:
    """Streamlit's options by dotted name. `postScriptGC` off: a full collection after each run was most of the load."""
    found: dict[str, Any] = {
        "server.address": host, "server.port": port, "server.headless": True, "server.fileWatcherType": "none",
        "server.runOnSave": False, "server.showEmailPrompt": False, "server.maxUploadSize": 20,
        "server.disconnectedSessionTTL": 120, "server.enableAgentApi": False, "server.enableStaticServing": False,
        "browser.gatherUsageStats": False, "client.toolbarMode": "minimal", "client.showErrorDetails": "none",
        "client.showErrorLinks": False, "client.showSidebarNavigation": False, "client.disableDataExport": True,
        "runner.postScriptGC": False, "runner.magicEnabled": False, "logger.level": "warning",
        "logger.hideWelcomeMessage": True,
        "theme.font": FONT, "theme.codeFont": MONO, "theme.baseFontSize": 14, "theme.baseRadius": "4px",
        "theme.headingFontSizes": ["1.45rem", "1.2rem", "1.05rem", "1rem", "1rem", "1rem"],
        "theme.showWidgetBorder": True,
    }
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        found |= {f"theme.{name}.{key}": value for key, value in colours.items()}
    return found
