"""Words that linking needs beside the graph: organs, adjectives, words that are no disease."""

from __future__ import annotations

__all__ = ["COMMON_WORDS", "DISEASE_HEADS", "FUNCTION_WORDS", "ORGAN_WORDS", "QUALIFIERS"]

# Adjective -> organ, as normalised words; equal words make two phrases equal.
ORGAN_WORDS: dict[str, str] = {
    word: line.split()[0]
    for line in """liver hepatic
    kidney renal
    lung pulmonary
    stomach gastric
    colon colonic
    heart cardiac
    ovary ovarian
    uterus uterine
    testis testicular testi testicle
    spleen splenic
    breast mammary
    prostate prostatic
    pancreas pancreatic pancrea
    esophagus esophageal
    larynx laryngeal
    pharynx pharyngeal
    skin cutaneous
    bone osseous
    duodenum duodenal
    rectum rectal
    vagina vaginal
    vulva vulvar vulval
    penis penile peni
    urethra urethral
    ureter ureteral ureteric
    trachea tracheal
    bronchus bronchial
    pleura pleural
    pericardium pericardial
    peritoneum peritoneal
    retina retinal
    cornea corneal
    conjunctiva conjunctival
    orbit orbital
    appendix appendiceal
    tongue lingual
    vein venous venou
    artery arterial
    aorta aortic
    mediastinum mediastinal
    retroperitoneum retroperitoneal
    ileum ileal
    jejunum jejunal
    cecum cecal
    ventricle ventricular
    disease disorder
    tumor neoplasm
    bowel intestine intestinal
    disk disc""".splitlines()
    for word in line.split()
}

# Where in an organ and how much, which does not change the disease: "carcinoma of the left kidney",
# "pericardial minimal effusion".
QUALIFIERS = frozenset(
    """left right bilateral upper lower proximal distal anterior posterior superior inferior lateral
    medial middle mid whole entire main both native mild minimal moderate severe slight small large
    massive extensive marked""".split()
)

# Words between which a noun phrase ends.
FUNCTION_WORDS = frozenset(
    """a about above across after again against all along also although am among an and any are
    as at be because been before behind being below beneath between both but by can cannot
    compared could did do does done due during each either else even every few for from further
    had has have having he her here hers him his how however i if in into is it its itself just
    may me might more most much must my near neither no none nor not of off on once one only
    onto or other others our out over own per prior rather same several shall she should since
    so some still such than that the their them then there therefore these they this those
    though three through throughout thus to toward towards two under until up upon us use used
    using versus very via was we well were what when where whereas whether which while who whom
    whose why will with within without would yet you your note see seen show shows showed
    showing shown demonstrate demonstrates demonstrated demonstrating reveal reveals revealed
    revealing indicate indicates indicated indicating depict depicts depicted depicting
    represent represents represented representing suggest suggests suggested suggesting confirm
    confirms confirmed confirming illustrate illustrates illustrated illustrating involve
    involves involved involving measure measures measured measuring contain contains contained
    containing display displays displayed extend extends extended extending obtain obtained
    perform performed performing identify identified detect detected observe observed appear
    appears appeared compress compressing cause causes caused causing arising consistent
    compatible suggestive concerning suspicious following including include includes included
    performed taken made found noted visible evident present presents presented underwent
    undergoing treated developed became remains remained arrow arrows arrowhead arrowheads
    asterisk asterisks star left right bilateral image images figure fig panel""".split()
)

# Words of captions and reports that are one letter from a disease word, or often met.
COMMON_WORDS = frozenset(
    """abdomen abdominal aberrant ablation abnormal absence accumulation acute adjacent adult
    agent allergen ampulla anaplastic anastomosis anatomic anemic aneurysmal angiogram
    angiography angiomatous anterior antrum aorta apex appearance arterial arteritic artery
    arthritic asthmatic atrial atrium atrophic attenuation autistic axial axis background basal
    base biopsy bladder bleeding blood body bone border bowel brain branch breast calcified
    cancerous caption cardiac cardia carinal catheter caudal cavity cell cellular central
    cervical chest choroid chronic cirrhotic clinical coils colon colonic color comatose common
    contour contrast coronal cortex cortical cranial cystic cysts deep defect deformity
    degenerative density device diabetic diagram diagnosis diaphragm diffuse dilatation dilated
    dilation displacement distal dorsal drainage duct duodenal dysplastic eclamptic eczematous
    edema emphysematous endoscopic enhanced enhancement enlargement epileptic evaluation
    examination extension external female femoral fetal fibrotic fibrous filling fistulas
    fixation flow fluid focal follow fossa fracture frontal fundus gas gastric glaucomatous
    glioma gouty graft gross head healthy heart hematoma hemorrhage hepatic hernia heterogeneous
    high hip hydrocephalic hyperplastic icteric ileal iliac imaging implant incidence infarct
    infected infection inferior inflamed inflammation initial injury insertion intact internal
    intestinal ischemic joint kidney knee labral large lateral leak leiomyoma lesion leukemic
    level ligament lipomatous lobe lobular local longitudinal loss low lower lumbar lumen
    luminal lung lymphatic magnetic male malformation malignant mammogram margin marked mass
    massive maxilla maxillary medial mediastinal membrane meningeal metastasis metastatic method
    microscopy middle midline minor mitral moderate mucosa mucosal multiple muscle myomatous
    narrowing nasal necrosis necrotic neck nerve neural neurotic nodal node nodes nodular nodule
    nodules normal obese oblique obstruction occlusion operation optic oral orbital osteotomy
    ovarian overview pancreatic parotid partial patency patent pathology patient pelvic pelvis
    perforation pericardial period peritoneal plain plane plaque plate pleural pneumonic portal
    position positive posterior postoperative preoperative prosthesis prostate protein proximal
    psychotic pulmonary radial radiograph radius rectal rectum reduction region renal repair
    resection residual resonance retinal ring rupture sagittal scan scar scanned sclerotic screw
    section septal septum severe shadow shaft shoulder signal sinus skeletal skin skull slice
    small soft space spastic sphincter spinal spine spleen stable stage stain stained stenosis
    stenotic stent stomach structure subclavian superior surface surgery surgical suture
    swelling syphilitic systolic tendon testis thick thickening thoracic thorax thrombosed
    thrombotic thrombus thymic tibia tibial time tissue tomography toxemic trachea transverse
    trauma treatment tubal tube tubular ulcer ulcerated ultrasound upper urinary uremic uterine
    uterus valve vascular vein venous ventral ventricle ventricular vertebra vertebral vessel
    view visual volume wall weight whole width wound color colour humor humour sarcoid cornea
    coronary carina pectus myxoma chordae chorda plages gland syndromic genetic tetanic manic
    colic colics rubber ruler mouse rat mice rabbit embryo""".split()
)

# Endings and last words of phrases that name diseases or findings.
DISEASE_HEADS = (
    "itis", "oma", "omas", "omata", "osis", "oses", "asis", "ases", "pathy", "pathies", "emia",
    "aemia", "uria", "ectasis", "ectasia", "plasia", "megaly", "malacia", "lysis", "trophy",
    "plegia", "paresis", "phobia", "rrhea", "rrhage", "cele", "lith", "disease", "diseases",
    "disorder", "syndrome", "tumor", "tumour", "tumors", "tumours", "cancer", "cancers", "neoplasm",
    "lesion", "lesions", "mass", "masses", "cyst", "cysts", "aneurysm", "aneurysms", "fracture",
    "fractures", "infarct",
    "infarction",  # codespell:ignore infarction
    "infection", "infections", "effusion", "edema", "oedema",
    "abscess", "abscesses", "hernia", "defect", "defects", "malformation", "malformations",
    "stenosis", "obstruction", "occlusion", "perforation", "rupture", "dissection", "dislocation",
    "failure", "injury", "insufficiency", "deficiency", "dystrophy", "dysplasia", "fistula",
    "fistulas", "fistulae", "thrombus", "thrombi", "embolism", "hemorrhage", "haemorrhage",
    "hematoma", "haematoma", "ulcer", "ulcers", "polyp", "polyps", "nodule", "nodules", "stone",
    "stones", "calculus", "calculi", "pneumothorax", "pneumomediastinum", "torsion", "atrophy",
    "hypertrophy", "anomaly", "anomalies", "deformity", "sprain", "calcification",
)  # fmt: skip
