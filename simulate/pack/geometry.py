"""A district map drawn here: stylised polygons, no survey data, no tile server. Neighbours share their borders."""

from __future__ import annotations

import json

from soc_core.pack import City

# corner points of the drawing, in degrees so that any GeoJSON viewer shows them the right way up
POINTS = {
    "a": (111.90, 28.40), "b": (112.50, 28.60), "c": (112.95, 28.65), "d": (113.25, 28.65), "e": (113.60, 28.62),
    "f": (114.20, 28.45), "g": (114.10, 27.95), "h": (113.55, 27.90), "i": (113.25, 27.98), "j": (113.02, 27.93),
    "k": (112.88, 27.98), "l": (112.55, 27.92), "m": (112.00, 27.98), "n": (112.62, 28.28), "o": (112.90, 28.30),
    "p": (112.96, 28.32), "q": (113.14, 28.32), "r": (113.12, 28.22), "s": (113.10, 28.16), "t": (112.97, 28.22),
    "u": (112.96, 28.16), "v": (113.02, 28.15), "w": (113.30, 28.20), "x": (112.62, 28.10),
}
RINGS = {
    "ningxiang": "a b n x l m", "wangcheng": "b c p o n", "yuelu": "n o p t u k l x", "kaifu": "c d q r t p",
    "furong": "t r s v u", "tianxin": "u v j k", "yuhua": "v s i j", "changshaxian": "d e w i s r q",
    "liuyang": "e f g h i w",
}


def geojson(city: City) -> str:
    """One Feature for each district that the drawing knows, with its id, names and a label point."""
    features = []
    for district in city.districts:
        ring = [POINTS[name] for name in RINGS[district.id].split()]
        label = [round(sum(axis) / len(ring), 4) for axis in zip(*ring, strict=True)]
        features.append({
            "type": "Feature", "id": district.id,
            "properties": {"id": district.id, "name": district.name, "name_en": district.name_en, "label": label,
                           "note": "stylised drawing, not a boundary"},
            "geometry": {"type": "Polygon", "coordinates": [[list(point) for point in (*ring, ring[0])]]},
        })
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1) + "\n"
