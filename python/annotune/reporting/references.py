"""The works that a report may cite, by their names in its sentences."""

from __future__ import annotations

CARAMMIA = "Carammia, Iacus and Porro 2024"
KRIPPENDORFF, COHEN, FLEISS, GWET = "Krippendorff 2019", "Cohen 1960", "Fleiss 1971", "Gwet 2008"
BAUMANN, SIMONSOHN = "Baumann et al. 2025", "Simonsohn, Simmons and Nelson 2020"
BCA, BOOTSTRAP = "Efron 1987", "Efron and Tibshirani 1993"
DAWID_SKENE = "Dawid and Skene 1979"
MINILM, SBERT, E5 = "Wang et al. 2020", "Reimers and Gurevych 2019", "Wang et al. 2024"
LORA, FROM_PROBE, TEMPERATURE = "Hu et al. 2022", "Kumar et al. 2022", "Guo et al. 2017"
DSL, PPI, PPI_PLUS = "Egami et al. 2023", "Angelopoulos et al. 2023", "Angelopoulos, Duchi and Zrnic 2023"
CHEN, MIAO = "Chen and Chen 2000", "Miao et al. 2023"
SCALING, HORVITZ = "Alexandari et al. 2020", "Horvitz and Thompson 1952"
MCNEMAR, HOLM, WILSON, MEAN_OF_LIMITS = "McNemar 1947", "Holm 1979", "Wilson 1927", "Zou and Donner 2008"

WORKS = {
    SCALING: (
        "Alexandari, A. M., Kundaje, A., & Shrikumar, A. (2020). Maximum likelihood with bias-corrected calibration is "
        "hard-to-beat at label shift adaptation. Proceedings of the 37th International Conference on Machine Learning. "
        "arXiv:1901.06852"
    ),
    PPI: (
        "Angelopoulos, A. N., Bates, S., Fannjiang, C., Jordan, M. I., & Zrnic, T. (2023). Prediction-powered "
        "inference. Science, 382(6671), 669–674. doi:10.1126/science.adi6000"
    ),
    PPI_PLUS: (
        "Angelopoulos, A. N., Duchi, J. C., & Zrnic, T. (2023). PPI++: Efficient prediction-powered inference. "
        "arXiv:2311.01453"
    ),
    BAUMANN: (
        "Baumann, J., Röttger, P., Urman, A., Wendsjö, A., Plaza-del-Arco, F. M., Gruber, J. B., & Hovy, D. (2025). "
        "Large language model hacking: Quantifying the hidden risks of using LLMs for text annotation. arXiv:2509.08825"
    ),
    CHEN: (
        "Chen, Y.-H., & Chen, H. (2000). A unified approach to regression analysis under double-sampling designs. "
        "Journal of the Royal Statistical Society, Series B, 62(3), 449-460."
    ),
    MIAO: (
        "Miao, J., Miao, X., Wu, Y., Zhao, J., & Lu, Q. (2023). Assumption-lean and data-adaptive post-prediction "
        "inference. arXiv:2311.14220"
    ),
    CARAMMIA: (
        "Carammia, M., Iacus, S. M., & Porro, G. (2024). Rethinking scale: The efficacy of fine-tuned open-source"
        " LLMs in large-scale reproducible social science research. arXiv:2411.00890"
    ),
    COHEN: (
        "Cohen, J. (1960). A coefficient of agreement for nominal scales. Educational and Psychological "
        "Measurement, 20(1), 37–46. doi:10.1177/001316446002000104"
    ),
    DAWID_SKENE: (
        "Dawid, A. P., & Skene, A. M. (1979). Maximum likelihood estimation of observer error-rates using the EM "
        "algorithm. Applied Statistics, 28(1), 20–28. doi:10.2307/2346806"
    ),
    BCA: (
        "Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American Statistical "
        "Association, 82(397), 171–185. doi:10.1080/01621459.1987.10478410"
    ),
    BOOTSTRAP: ("Efron, B., & Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall."),
    DSL: (
        "Egami, N., Hinck, M., Stewart, B. M., & Wei, H. (2023). Using imperfect surrogates for downstream "
        "inference: Design-based supervised learning for social science applications of large language models. "
        "Advances in Neural Information Processing Systems, 36. arXiv:2306.04746"
    ),
    FLEISS: (
        "Fleiss, J. L. (1971). Measuring nominal scale agreement among many raters. Psychological Bulletin, "
        "76(5), 378–382. doi:10.1037/h0031619"
    ),
    TEMPERATURE: (
        "Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. "
        "Proceedings of the 34th International Conference on Machine Learning. arXiv:1706.04599"
    ),
    GWET: (
        "Gwet, K. L. (2008). Computing inter-rater reliability and its variance in the presence of high "
        "agreement. British Journal of Mathematical and Statistical Psychology, 61(1), 29–48. "
        "doi:10.1348/000711006X126600"
    ),
    HOLM: (
        "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
        "Statistics, 6(2), 65–70."
    ),
    HORVITZ: (
        "Horvitz, D. G., & Thompson, D. J. (1952). A generalization of sampling without replacement from a finite "
        "universe. Journal of the American Statistical Association, 47(260), 663–685. "
        "doi:10.1080/01621459.1952.10483446"
    ),
    LORA: (
        "Hu, E. J., Shen, Y., Wallis, P., Allen-Zhu, Z., Li, Y., Wang, S., Wang, L., & Chen, W. (2022). LoRA: "
        "Low-rank adaptation of large language models. International Conference on Learning Representations. "
        "arXiv:2106.09685"
    ),
    KRIPPENDORFF: ("Krippendorff, K. (2019). Content analysis: An introduction to its methodology (4th ed.). Sage."),
    FROM_PROBE: (
        "Kumar, A., Raghunathan, A., Jones, R., Ma, T., & Liang, P. (2022). Fine-tuning can distort pretrained "
        "features and underperform out-of-distribution. International Conference on Learning Representations. "
        "arXiv:2202.10054"
    ),
    MCNEMAR: (
        "McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or "
        "percentages. Psychometrika, 12(2), 153–157. doi:10.1007/BF02295996"
    ),
    SBERT: (
        "Reimers, N., & Gurevych, I. (2019). Sentence-BERT: Sentence embeddings using Siamese BERT-networks. "
        "Proceedings of EMNLP-IJCNLP 2019. arXiv:1908.10084"
    ),
    SIMONSOHN: (
        "Simonsohn, U., Simmons, J. P., & Nelson, L. D. (2020). Specification curve analysis. Nature Human Behaviour, "
        "4(11), 1208–1214. doi:10.1038/s41562-020-0912-z"
    ),
    E5: (
        "Wang, L., Yang, N., Huang, X., Yang, L., Majumder, R., & Wei, F. (2024). Multilingual E5 text embeddings: A "
        "technical report. arXiv:2402.05672"
    ),
    MINILM: (
        "Wang, W., Wei, F., Dong, L., Bao, H., Yang, N., & Zhou, M. (2020). MiniLM: Deep self-attention "
        "distillation for task-agnostic compression of pre-trained transformers. Advances in Neural Information "
        "Processing Systems, 33. arXiv:2002.10957"
    ),
    WILSON: (
        "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of "
        "the American Statistical Association, 22(158), 209–212. doi:10.1080/01621459.1927.10502953"
    ),
    MEAN_OF_LIMITS: (
        "Zou, G. Y., & Donner, A. (2008). Construction of confidence limits about effect measures: A general approach. "
        "Statistics in Medicine, 27(10), 1693–1702. doi:10.1002/sim.3095"
    ),
}


def cited(text: str) -> tuple[str, ...]:
    """The works that the text names, in the order of their authors.

    >>> [work[:12] for work in cited("Alpha (Krippendorff 2019) and kappa (Cohen 1960).")]
    ['Cohen, J. (1', 'Krippendorff']
    """
    return tuple(sorted(work for name, work in WORKS.items() if name in text))
