"""Question and answer are compared by their product."""

import torch

from medvlp.models.radiograph.match_head import MatchHead
from medvlp.models.radiograph.network import RadiographNetwork
from tests.models.radiograph.tiny_networks import PX, tiny_decoder, tiny_model_settings


def test_match_head__is_the_product_by_hand():
    torch.manual_seed(0)
    head = MatchHead(3).double()
    torch.nn.init.normal_(head.usual.weight)
    outputs, queries = torch.randn(2, 4, 3).double(), torch.randn(4, 3).double()
    for b in range(2):
        for c in range(4):
            asked = head.question.weight @ queries[c] + head.question.bias
            usual = head.usual.weight[0] @ queries[c] + head.usual.bias[0]
            expected = asked @ outputs[b, c] / 3**0.5 + usual
            torch.testing.assert_close(head(outputs, queries)[b, c], expected, rtol=0, atol=1e-12)


def test_match_head__takes_each_images_own_questions():
    head = MatchHead(3)
    outputs, queries = torch.randn(2, 4, 3), torch.randn(4, 3)
    own = queries.expand(2, -1, -1)
    torch.testing.assert_close(head(outputs, own), head(outputs, queries), rtol=0, atol=1e-6)


def test_network__judges_by_a_match_where_told():
    settings = tiny_model_settings(decoder=tiny_decoder(head="match", self_attention=False))
    network = RadiographNetwork(settings, 50, seed=1).eval()
    image = network.encode_image(torch.rand(2, 1, PX, PX))
    queries = torch.randn(3, settings.dim)
    judged = network.decode(queries, image.patches)
    expected = network.head(judged.outputs, queries)
    torch.testing.assert_close(judged.logits, expected, rtol=0, atol=1e-6)
    one = network.decode(queries[1:2], image.patches).logits
    torch.testing.assert_close(one, judged.logits[:, 1:2], rtol=0, atol=1e-5)
