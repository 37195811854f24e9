"""Small scans of one phantom patient."""

import pytest

from medvlp.phantoms.abdomen.findings import KidneyFindings, Mass, SimpleCyst
from medvlp.phantoms.abdomen.patients import make_patient
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan


@pytest.fixture(scope="session")
def patient():
    """A patient with a mass on the left, and a cyst, a stone and wide calyces on the right."""
    mass = Mass(
        kind="solid",
        size_mm=44.0,
        exophytic=0.6,
        direction=(0.0, -0.94, -0.342),
        enhancement="avid",
        necrosis="partial",
        seed=3,
    )
    cyst = SimpleCyst(size_mm=24.0, exophytic=0.5, direction=(0.75, -0.66, 0.0))
    right = KidneyFindings(cysts=(cyst,), stones_mm=(9.0,), hydronephrosis="marked")
    return make_patient(11, left=KidneyFindings(mass=mass), right=right)


@pytest.fixture(scope="session")
def scan(patient):
    """The venous scan, 64 x 100 x 112 voxels of 4.5 x 3.5 x 3.5 mm."""
    return make_phantom_scan(
        PhantomScanSpec(
            seed=5, patient=patient, shape_zyx=(64, 100, 112), spacing_mm=(4.5, 3.5, 3.5)
        )
    )
