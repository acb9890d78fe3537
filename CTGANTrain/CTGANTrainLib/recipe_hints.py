"""What the recipes and their settings are, in words; the settings themselves are in CTGANLib/<recipe>/recipe.py."""

from slicer.i18n import tr as _

SEGMENTATION = "segmentation"


def recipeHint(recipe: str) -> str:
    """What a recipe is for, and what it learns from."""
    hints = {
        "biplanar": _("Two radiographs become a CT. Learns from CTs"),
        SEGMENTATION: _(
            "A CT becomes segments. Learns from CTs with label maps, laid out as in KiTS19, TotalSegmentator or nnU-Net"
        ),
        "slices": _("Noise becomes slices of a CT, or radiographs. Learns from CTs, or from a folder of radiographs"),
        "pyramid": _("Noise becomes CTs in the likeness of few. Learns from one CT or a handful"),
        "rendering": _("View and colors become a picture of a CT. Learns from CTs, or a folder of rendered pictures"),
    }
    return hints.get(recipe, "")


def settingHints(recipe: str) -> dict[str, str]:
    """What the settings of a recipe are that have no field of their own in the form."""
    hints = {
        "biplanar": {
            "generator": _("geometry-aware, which is told how the radiographs were taken, or dual-path, which is not"),
            "full_from": _("Share of the steps after which training goes on at full resolution"),
            "adversarial_from": _("Share of the steps after which the discriminator takes part"),
            "projection_weight": _("Of the loss that compares projections, beside the reconstruction loss"),
            "similarity_weight": _("Of the loss that compares structure (SSIM), beside the reconstruction loss"),
            "adversarial_weight": _("Of the loss that the discriminator gives, beside the reconstruction loss"),
            "segmentation_weight": _("Of what a segmenter should see in the CT; 0 switches it off"),
            "segmenter": _("The model that sees it"),
            "deform": _("true or false: whether patients are deformed smoothly"),
            "blend": _("true or false: whether shapes between two patients are made"),
            "recolor": _("true or false: whether the HU of the tissues vary"),
            "implant": _("true or false: whether tubes and nodules are put in"),
            "restyle": _("true or false: whether the look of the radiographs varies"),
            "vary_geometry": _("true or false: whether views, angles and distances vary"),
            "start_from": _("Name of a model to go on from; empty to begin anew"),
        },
        SEGMENTATION: {
            "labels": _("Where the structures are labels: which values of the label maps, such as 1=Liver, 2=Lesion"),
            "withhold": _("Structures that the model learns and does not offer, with commas; empty for none"),
            "network": _("SegResNet, DynUNet, UNet, VNet or SmallCNN"),
            "filters": _("Channels of the network at full resolution; 0 for its own"),
            "patch": _("Voxels along each side that the network sees at a time"),
            "start_from": _("Name of a model to go on from; empty to begin anew"),
        },
        "slices": {
            "method": _("dcgan, wgan, wgan-gp or fully-connected"),
            "kind": _("ct, for slices of CTs, or radiographs, for a folder of pictures"),
            "size": _("Pixels along a side: 64, 128, 256 or 512"),
            "field": _("Side of the picture in mm"),
            "window_low": _("HU below which nothing is told apart"),
            "window_high": _("HU above which nothing is told apart"),
            "slice_spacing": _("Between the slices that are taken from a CT, in mm"),
            "trim": _("Share of the height of the lungs that is left out at each end of a CT"),
            "classes": _(
                "What can be asked for: ending of label maps beside the CTs, such as nodules, or names of the folders "
                "of radiographs, with commas; empty for none"
            ),
            "width": _("Channels of the networks at full size"),
            "latent": _("Numbers of noise"),
            "soft_labels": _("true or false: whether the discriminator is kept from being too sure"),
            "balance": _("The discriminator waits while its loss is lower; 0.69 is guessing"),
            "augment": _("true or false: whether pictures are changed at random before they are judged"),
        },
        "pyramid": {
            "dimensions": _("3, or 2, which takes slices as channels and makes as many"),
            "size": _("Voxels of the finest scale along each side in plane"),
            "slices": _("Slices of the finest scale"),
            "coarsest": _("Voxels of the coarsest scale in plane; smaller CTs are left out"),
            "factor": _("Between neighboring scales"),
            "adversary": _("lsgan, wgan-gp or zero-gp"),
            "adversarial_weight": _("Of the loss that the discriminator gives; 0 switches it off"),
            "reconstruction_weight": _("Of the loss that compares the CT made again with the CT; 0 switches it off"),
            "projection_weight": _("Of the loss that compares projections of both; 0 switches it off"),
            "segmentation_weight": _("Of the loss that compares what a segmenter sees in both; 0 switches it off"),
            "segmenter": _("Name of the model for the segmentation loss"),
            "noise": _("Of the scales, as a multiple of the error that each has to mend"),
            "deformation": _("Of the anatomy that new CTs begin with, in mm; with 0 they begin with noise"),
        },
        "rendering": {
            "source": _("How the network sees the volume: raycast, or opacity (VTK's passes, at half the size)"),
            "patients": _("Whose volumes the network knows, where it sees these passes"),
            "pictures": _("Rendered of each CT, where the data are CTs"),
            "size": _("Pixels along a side of these pictures: 256 or 512"),
            "crop": _("Pixels along a side of the parts that a step sees; 0 for whole pictures"),
            "adversarial": _("lsgan or bce"),
            "similarity_weight": _("Of the loss that compares structure (SSIM), beside the L1 loss"),
            "adversarial_weight": _("Of the loss that the discriminator gives, beside the L1 loss"),
            "adversarial_from": _("Share of the steps after which the discriminator takes part"),
        },
    }
    return {
        **hints.get(recipe, {}),
        "validations": _("How often the held-out patients are scored"),
        "patience": _("Training ends early after so many scores without a better one"),
    }
