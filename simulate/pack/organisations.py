"""The 3,520 units as one tree: 471 of the city, 1,304 of its counties and streets, 1,745 villages and communities."""

from __future__ import annotations

from simulate.pack.dice import Dice
from soc_core.pack import City

COLUMNS = ("id", "name", "name_en", "kind", "parent", "district", "sector", "generated")
CONTACT_COLUMNS = ("organisation", "role", "name", "phone", "generated")
CITY_UNITS, TOWNSHIPS, COUNTY, VILLAGES = 471, 172, 1304, 1745
Row = dict[str, str]

# Bodies that every Chinese city has; their place in this tree, and everything about them here, is invented.
BUREAUS = """
data 数据资源管理局 data resources bureau|bigdata 大数据中心 big-data centre|cyber 委网信办 cyberspace office
police 公安局 public security bureau|traffic 公安局交警支队 traffic police|polit 委政法委 politics and law commission
command 城市运行指挥中心 city command centre|emergency 应急管理局 emergency bureau|water 水利局 water bureau
nr 自然资源和规划局 natural resources bureau|urban 城市管理局 urban management bureau|edu 教育局 education bureau
prop 委宣传部 propaganda department|forest 林业局 forestry bureau|approval 行政审批服务局 approval bureau
market 市场监督管理局 market regulator|health 卫生健康委员会 health commission|transport 交通运输局 transport bureau
bus 公共交通集团 bus group|org 委组织部 organisation department|tourism 文化旅游广电局 culture and tourism bureau
eco 生态环境局 ecology bureau|housing 住房和城乡建设局 housing bureau|court 中级人民法院 intermediate court
office 政府办公厅 government office|parking 城市停车公司 parking company|finance 财政局 finance bureau
civil 民政局 civil affairs bureau|hr 人力资源和社会保障局 social security bureau|justice 司法局 justice bureau
audit 审计局 audit bureau|stats 统计局 statistics bureau|agri 农业农村局 agriculture bureau
commerce 商务局 commerce bureau|sasac 国资委 state assets commission|medins 医疗保障局 medical insurance bureau
fund 住房公积金管理中心 housing fund centre|veterans 退役军人事务局 veterans bureau
industry 工业和信息化局 industry bureau
reform 发展和改革委员会 development and reform commission|procur 人民检察院 procuratorate|archive 档案馆 archives
""".replace("\n", "|")
SECTORS = {
    "police": "police", "traffic": "police", "polit": "police", "emergency": "emergency", "water": "water",
    "forest": "emergency", "edu": "education", "health": "health", "medins": "health", "bus": "transport",
    "transport": "transport", "parking": "transport", "eco": "environment", "finance": "finance", "fund": "finance",
}  # fmt: skip
# what fills the city's 471: sector, name, share
FILL = (
    ("education", "长沙{a}{b}学校", 110.0), ("health", "长沙{a}{b}医院", 60.0),
    ("utility", "长沙{a}{b}供水供气公司", 25.0),
    ("soe", "长沙{a}{b}集团", 55.0), ("transport", "长沙{a}{b}场站", 30.0), ("research", "长沙{a}{b}研究院", 40.0),
    ("culture", "长沙{a}{b}文化馆", 30.0), ("government", "长沙市{a}{b}事务中心", 78.0),
)  # fmt: skip
DEPARTMENTS_TEXT = """
委办公室 委组织部 委宣传部 委政法委 委网信办 政府办公室 发展和改革局 教育局
科技局 公安分局 民政局 司法局 财政局 人力资源和社会保障局 自然资源局 住房和城乡建设局
交通运输局 水利局 农业农村局 商务局 文化旅游局 卫生健康局 应急管理局 审计局
市场监督管理局 统计局 城市管理局 行政审批服务局 数据资源中心 医疗保障局 信访局 退役军人事务局
林业局 税务服务站 生态环境分局 人民法院 人民检察院 档案馆 融媒体中心 疾病预防控制中心
"""
DEPARTMENTS = DEPARTMENTS_TEXT.split()
DEPARTMENT_SECTORS = {"教育局": "education", "公安分局": "police", "卫生健康局": "health", "应急管理局": "emergency",
                      "疾病预防控制中心": "health", "水利局": "water", "生态环境分局": "environment",
                      "财政局": "finance"}
FIRST = "云松竹溪岚霞杉泉榆槐枫柏桐菱荷苇葭棠梧樟"
SECOND = "岫汀涧坪垄塅陂圩浦畈坳岭湾塘洲渚沚屿坞垸"


def tree(city: City, dice: Dice) -> list[Row]:
    """All units, parents before children. The root is the city government, each district has its own government."""
    root = city.id
    rows = [_row(root, f"{city.name}市人民政府", f"{city.name_en} city government", "city_unit", "", "", "government")]
    rows[0]["generated"] = "false"
    rows += _city_units(root, city.name, dice)
    governments = []
    for district in city.districts:
        suffix = "" if district.name.endswith("县") else "市" if district.id in ("liuyang", "ningxiang") else "区"
        name = f"{district.name}{suffix}人民政府"
        row = _row(district.id, name, f"{district.name_en} government", "county_department", root, district.id)
        governments.append(row | {"generated": "false"})
    rows += governments + _departments(governments)
    townships = _townships(governments, dice)
    return rows + townships + _villages(townships, dice)


def _row(id_: str, name: str, name_en: str, kind: str, parent: str, district: str, sector: str = "government") -> Row:
    return {"id": id_, "name": name, "name_en": name_en, "kind": kind, "parent": parent, "district": district,
            "sector": sector, "generated": "true"}


def _invented(dice: Dice, taken: set[str], pattern: str) -> str:
    while True:
        name = pattern.format(a=dice.pick(FIRST), b=dice.pick(SECOND))
        for number in ("", "第二", "第三", "第四"):
            made = name if not number else name[:2] + number + name[2:]
            if made not in taken:
                taken.add(made)
                return made


def _city_units(root: str, city: str, dice: Dice) -> list[Row]:
    rows = []
    for entry in BUREAUS.split("|"):
        if entry:
            key, name, name_en = entry.split(" ", 2)
            sector = SECTORS.get(key, "government")
            rows.append(_row(f"cs-{key}", f"{city}市{name}", name_en, "city_unit", root, "", sector))
    parents = {"education": "cs-edu", "health": "cs-health", "utility": "cs-sasac", "soe": "cs-sasac",
               "transport": "cs-transport", "research": root, "culture": "cs-tourism", "government": root}
    taken: set[str] = set()
    fill = [((sector, pattern), share) for sector, pattern, share in FILL]
    while len(rows) < CITY_UNITS - 1:
        sector, pattern = dice.weighted(fill)
        number = len(rows) + 1
        name = _invented(dice, taken, pattern)
        name_en = f"{sector} unit {number}"
        rows.append(_row(f"cs-u{number:03d}", name, name_en, "city_unit", parents[sector], "", sector))
    return rows


def _departments(governments: list[Row]) -> list[Row]:
    """1,304 less the townships and the nine governments, spread evenly over the districts."""
    rows = []
    total = COUNTY - TOWNSHIPS - len(governments)
    for number in range(total):
        above = governments[number % len(governments)]
        nth = number // len(governments)
        base, again = DEPARTMENTS[nth % len(DEPARTMENTS)], nth // len(DEPARTMENTS)
        place = above["name"].removesuffix("人民政府")
        name = f"{place}{base}" + (f"第{again}直属中心" if again else "")
        rows.append(_row(f"{above['id']}-d{nth + 1:03d}", name, f"{above['id']} department {nth + 1}",
                         "county_department", above["id"], above["id"], DEPARTMENT_SECTORS.get(base, "government")))
    return rows


def _townships(governments: list[Row], dice: Dice) -> list[Row]:
    rows = []
    taken: set[str] = set()
    shares = (18, 13, 14, 16, 14, 15, 18, 35, 29)  # the large counties have more
    for above, count in zip(governments, shares, strict=True):
        rural = above["id"] in ("changshaxian", "liuyang", "ningxiang")
        for number in range(1, count + 1):
            name = _invented(dice, taken, "{a}{b}镇" if rural and number > 4 else "{a}{b}街道")
            rows.append(_row(f"{above['id']}-t{number:02d}", name, f"{above['id']} township {number}", "township",
                             above["id"], above["id"]))
    return rows


def _villages(townships: list[Row], dice: Dice) -> list[Row]:
    rows = []
    taken: set[str] = set()
    for number in range(VILLAGES):
        above = townships[number % len(townships)]
        nth = number // len(townships) + 1
        rural = above["name"].endswith("镇")
        name = above["name"] + _invented(dice, taken, "{a}{b}村" if rural else "{a}{b}社区")
        kind = "village" if rural else "community"
        rows.append(_row(f"{above['id']}-v{nth:02d}", name, f"{above['id']} {kind} {nth}", kind, above["id"],
                         above["district"]))
    return rows


def contacts(rows: list[Row]) -> list[Row]:
    """One invented contact for each unit above the villages: no such person, no such number."""
    surnames = "甲乙丙丁戊己庚辛壬癸"
    return [
        {"organisation": row["id"], "role": "网络安全联络员", "name": f"虚构联络员{surnames[n % 10]}{n:04d}",
         "phone": f"000-0000-{n:04d}", "generated": "true"}
        for n, row in enumerate(rows, 1) if row["kind"] not in ("village", "community")
    ]
