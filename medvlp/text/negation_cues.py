"""The words that deny or hedge a finding, by the direction in which they work.

Written for English captions and reports, as phrases of lower-case words parted by semicolons.
Words in capitals stand for any word of :data:`CHOICES`: ``BE`` for the forms of that verb, ``SEEN``
for participles of perception, ``REFUTED`` for those of rejection. Adverbs between the words of a
phrase do not matter (``was confidently excluded``).
"""

from __future__ import annotations

__all__ = [
    "ABSENT_AFTER",
    "ABSENT_BEFORE",
    "ABSENT_WORD_BEFORE",
    "AFTER_LAST",
    "BACKGROUND_LINKS",
    "BACKGROUND_OPENERS",
    "BE",
    "CHOICES",
    "CONTRACTED",
    "DECIDED",
    "FINITE_VERBS",
    "FORWARD_STOPPERS",
    "HEDGES",
    "PATIENT_WORDS",
    "PERCEIVED",
    "PSEUDO",
    "SAME_SUBJECT",
    "SHOWING",
    "STOPPERS",
    "STOPPERS_BEFORE_TO",
    "TELLING_ADVERBS",
    "UNCERTAIN_AFTER",
    "UNCERTAIN_BEFORE",
]

BE = ("is", "are", "was", "were", "be", "been", "being")

PERCEIVED = tuple(
    """seen noted identified found detected observed visualized visualised demonstrated appreciated
    recognized recognised visible evident present apparent shown suspected documented discernible
    reported encountered revealed diagnosed established supported favored favoured suggested
    indicated""".split()
)

CHOICES = {
    "BE": BE,
    "SEEN": PERCEIVED,
    "REFUTED": tuple(
        """excluded rejected dismissed discarded refuted disproved disproven discounted eliminated
        denied negated abandoned""".split()
    ),
    "HAVE": ("has", "have", "had"),
    "DO": ("do", "does", "did"),
    "CANNOT": ("cannot", "can not", "can't", "could not", "couldn't"),
    "FAIL": ("fail", "fails", "failed", "failing", "unable", "inability", "failure"),
    "DETECT": tuple(
        """show reveal demonstrate detect identify find confirm disclose visualize visualise depict
        prove display document see observe establish meet satisfy fulfil fulfill support""".split()
    ),
    "SPEAK": tuple(
        """speak speaks spoke speaking argue argues argued arguing militate militates militated
        mitigate mitigates weigh weighs weighed evidence decided decide""".split()
    ),
    "OCCUR": ("occur", "exist", "develop", "appear", "arise", "recur", "emerge"),
    "OCCURRED": ("occurred", "existed", "developed", "appeared", "arisen", "recurred", "emerged"),
    "TEST": tuple(
        """test tests testing screen screening serology culture cultures pcr smear smears biopsy
        biopsies workup result results findings""".split()
    ),
    "MAYBE": ("may", "might", "could"),
    "DUE": ("due to", "secondary to", "related to", "caused by", "from"),
    "JUDGED": ("evaluated", "assessed", "judged", "examined"),
    "TOLD": tuple(
        """characterized characterised distinguished differentiated discriminated
        separated""".split()
    ),
    "EARLIER": ("previous", "prior", "earlier", "last", "old"),
    "LIKELY": ("likely", "possibly", "probably", "presumably", "perhaps"),
}

CONTRACTED = {
    "can": "can't",
    "do": "don't",
    **{
        verb: f"{verb}n't"
        for verb in ("is", "are", "was", "were", "has", "have", "had", "does", "did", "could")
    },
}

# Further participles that close a list which is denied as a whole.
DECIDED = frozenset({"confirmed", "excluded", "ruled", "proven", "considered", "described"})

# What stands before a finding and denies it.
ABSENT_BEFORE = """

no; not; BE not; DO not develop; HAVE not developed; cannot; can't; couldn't; don't; doesn't;
didn't; hasn't; haven't; hadn't; never; BE never; none of; neither; nor; nothing; nil; zero;
not a single; CANNOT see; without; w/o; absence of; absent; lack; lack of; lacks; lacking; lacked;
devoid of; deny; denies; denied; denying; negative for; BE negative for; seronegative for;
negative TEST for; free of; free from; clear of; spared from; unaffected by; exclude; excludes;
excluded; excluding; exclusion of; ruled out; rules out; ruling out; ruled against; refute;
refutes; refuted; disprove; disproves; disproved; reject; rejects; rejected; dismiss; dismisses;
dismissed; discount; discounts; discounted; contradict; contradicts; contradicted; negate;
negates; SPEAK against; inconsistent with; incompatible with; FAIL to DETECT; rather than;
instead of; in place of; as opposed to; resolution of; resolved; disappearance of;
complete regression of; : no
"""

# What stands after a finding and denies it.
ABSENT_AFTER = """

BE not; BE not SEEN; BE never SEEN; not SEEN; never SEEN; not BE SEEN; HAVE not BE SEEN;
never BE SEEN; BE absent; absent; BE negative; BE lacking; BE missing; came back negative;
returned negative; TEST negative; remained negative; BE no longer SEEN; no longer SEEN;
nowhere SEEN; nowhere to BE SEEN; DO not OCCUR; never OCCURRED; HAVE not OCCURRED;
HAVE never OCCURRED; BE ruled out; BE REFUTED; BE not confirmed; not BE confirmed;
CANNOT BE confirmed; not confirmed; ruled out; excluded; HAVE BE ruled out; HAVE BE REFUTED;
can BE ruled out; can BE REFUTED; could BE ruled out; could BE REFUTED; CANNOT BE SEEN; resolved;
HAVE resolved; HAVE disappeared; HAVE vanished; : no; : none; : nil; : negative; : neg; : absent;
: not SEEN; : excluded; ( - ); ( negative ); ( absent ); ( no )
"""

# What denies the one word before it and no more.
ABSENT_WORD_BEFORE = """

- negative; - free; negative patient; negative patients; negative individuals; negative subjects;
seronegative
"""

# What stands before a finding and leaves it open.
UNCERTAIN_BEFORE = """

possible; possibly; probable; BE likely; BE possible; BE unlikely; BE suspected of; probably;
perhaps; maybe; may; might; likely; unlikely; less likely; most likely; very likely; presumed;
presumably; presumptive; suspected; suspected to be; suspect; suspecting; suspicious for;
suspicious of; suspicion for; suspicion of; thought to be; believed to be; suggest; suggests;
suggested; suggesting; suggestive of; suggestive for; indicative of; typical of; MAYBE be;
MAYBE have; MAYBE represent; MAYBE reflect; MAYBE indicate; MAYBE suggest; MAYBE correspond to;
appears to be; seems to be; concern for; concerns for; concerning for; worrisome for; question of;
questionable; equivocal for; indeterminate for; query; uncertain for; rule out; r/o; to exclude;
to evaluate for; evaluate for; evaluated for; evaluation for; assess for; assessed for;
assessment for; screening for; screened for; work-up for; workup for; investigated for;
differential diagnosis; differential diagnoses; differential includes;
differential considerations; ddx; to be distinguished from; to be differentiated from; unlike;
mimicking; mimics; mimicked; mimic; simulating; resembling; reminiscent of; versus; vs;
CANNOT exclude; CANNOT rule out; DO not exclude; DO not rule out; not exclude; not rule out;
risk of; risk for; risk factor for; risk factors for; at risk of; at risk for; predisposing to;
predisposed to; prone to; little evidence of; little evidence for; low probability of;
low suspicion of; low suspicion for; insufficient evidence of; insufficient evidence for;
in case of; whether; family history of; familial history of; mother had; father had; to prevent;
prevention of; prophylaxis of; prophylaxis for; prophylaxis against; vaccination against; fear of;
feared; initially considered; LIKELY DUE; BE LIKELY DUE
"""

# What stands after a finding and leaves it open.
UNCERTAIN_AFTER = """

likely; unlikely; less likely; possible; probable; suspected; BE possible; BE probable; BE likely;
BE unlikely; BE less likely; BE suspected; BE questionable; BE questioned; BE considered;
BE uncertain; BE unclear; BE equivocal; BE feared; BE in question; BE presumed; BE suggested;
CANNOT BE REFUTED; CANNOT BE ruled out; CANNOT BE JUDGED; not BE REFUTED; not BE ruled out;
not excluded; not ruled out; BE not REFUTED; BE not ruled out; HAVE not BE REFUTED;
HAVE not BE ruled out;
remains possible; remains likely; remains uncertain; remains questionable; remains in question;
remains to be excluded; seems likely; seems unlikely; seems possible; should BE considered;
should BE excluded; must BE considered; must BE excluded; may BE considered; needs to BE excluded;
to BE excluded; to BE ruled out; BE to BE excluded; BE to BE ruled out; ?
"""

# What looks like a denial and is none.
PSEUDO = """

no change; no changes; no interval change; no significant change; no significant interval change;
no appreciable change; no increase; no interval increase; no decrease; no progression;
no further progression; no growth; no improvement; no regression; no response; no doubt;
no question; no cause of; no cause for; no longer than; no less than; no more than; no matter;
not only; not merely; not just; not necessarily; not simply; not drain; not yet resolved;
not resolved; not resolve; not to mention; without change; without significant change;
without interval change; without difficulty; without doubt; without complication;
without complications; without treatment; without further; gram negative; gram - negative;
triple negative; triple - negative; false negative; false - negative; hormone negative;
hr negative; her2 negative; rh negative; negative pressure; negative contrast; not known to;
never smoker; never smokers; never drinker; not respond; not responding; not responsive;
not improve; not treated; not BE treated; not operated; not receive; not received; nothing but;
MAYBE be SEEN; can be SEEN; not until; CANNOT BE TOLD; lack of contrast;
lack of intravenous contrast; lack of iv contrast; absence of contrast;
absence of intravenous contrast; no difference;
no significant difference; not SEEN in the EARLIER; not SEEN in EARLIER; BE not SEEN in the EARLIER;
BE not SEEN in EARLIER; BE not SEEN on the EARLIER; not SEEN on the EARLIER
"""

# A scope ends at these words.
STOPPERS = frozenset(
    """but however although though except yet whereas while nevertheless nonetheless despite
    besides because since causing caused causes therefore thus hence then
    where when until unless apart aside otherwise still contrary resulting consequently""".split()
)

# A scope ends at these words before "to".
STOPPERS_BEFORE_TO = frozenset({"secondary", "due", "owing", "attributable"})

# A scope that runs forward ends at these too.
FORWARD_STOPPERS = frozenset({"which", "who", "whose", "after", "following", "before", "prior"})

# "in a patient with" and the like speak of the patient's background, which a denial leaves alone.
PATIENT_WORDS = frozenset(
    """patient patients woman man women men boy girl child infant neonate case
    individual individuals subject""".split()
)

BACKGROUND_OPENERS = frozenset({"in", "of", "from", "for", "on"})
BACKGROUND_LINKS = frozenset({"with", "of", "after", "suffering", "affected", "known", "who"})

# Between a finding and what is said of it a second time: "was considered but has been ruled out".
SAME_SUBJECT = frozenset(
    """but and then later which that , eventually finally subsequently thereafter therefore thus
    now""".split()
)

# Adverbs that are cues themselves or change their meaning.
TELLING_ADVERBS = frozenset(
    """possibly probably likely unlikely presumably only merely simply necessarily family""".split()
)

# A doubt ends where something is shown.
SHOWING = frozenset(
    """shows showed showing demonstrates demonstrated demonstrating reveals revealed revealing
    depicts depicting displays displaying confirms confirmed confirming""".split()
)

# A denial ends where a new item of a list is hedged.
HEDGES = frozenset({"possible", "possibly", "probable", "probably", "likely", "may", "might"})

# Before these words a cue that could work in both directions works backwards.
AFTER_LAST = frozenset(
    """and on in at by but after following within completely spontaneously because since from
    during with as among part applicable""".split()
)

FINITE_VERBS = frozenset(
    """is are was were has have had shows showed show demonstrates demonstrated demonstrate
    reveals revealed reveal indicates indicated depicts depicted displays displayed remains
    remained appears appeared suggests suggested contains contained represents represented
    underwent developed presented presents confirms confirmed received exhibits exhibited
    consists consisted became becomes persists persisted""".split()
)
