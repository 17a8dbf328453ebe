#' Code texts by the codebook alone
#'
#' A decoder that was not tuned reads the codebook once and each text once; nothing is generated, so there is no answer
#' that cannot be read. Probabilities are calibrated (Zhao et al. 2021).
#'
#' @param base A decoder: a folder or a hub name, such as `"Qwen/Qwen3-0.6B"`.
#' @param variable One or more of the codebook's variables; all by default.
#' @param examples How many of the codebook's examples of each label are shown to the model.
#' @param template `"chat"` is the base's own; `"plain"` is for bases without one.
#' @param calibrate Whether to calibrate.
#' @param max_tokens Longer texts are cut there.
#' @param batch_tokens A batch holds about so many tokens; by default 4,096, and 65,536 on a GPU.
#' @param precision `"float32"`, or `"bfloat16"` for speed where the processor has it.
#' @param weights In what precision the base model's weights are read; `"4bit"` needs a graphics processor of NVIDIA's,
#'   and `at_install(extras = "4bit")`.
#' @param device `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
#' @inheritParams at_tune
#' @inheritParams predict.at_model
#' @return A table of codings, as [at_classify()] gives it.
#' @examples
#' # A decoder is a download of a gigabyte or more.
#' if (interactive()) {
#'   data <- at_demo(n = 60, n_coded = 40)
#'   at_zero_shot(data$corpus, data$codebook, base = "Qwen/Qwen3-0.6B")
#' }
#' @export
at_zero_shot <- function(corpus, codebook, base, variable = NULL, examples = 0, template = c("chat", "plain"),
                         calibrate = TRUE, max_tokens = 512, batch_tokens = NULL,
                         precision = c("float32", "bfloat16"), weights = c("auto", "float32", "bfloat16", "4bit"),
                         device = "auto", unit_id = "unit_id", text = "text") {
  at_call(
    "zero_shot",
    corpus = corpus_to_python(corpus, unit_id, text), codebook = codebook, base = as_path(base),
    variable = several(variable), examples = examples, template = match.arg(template), calibrate = calibrate,
    max_tokens = max_tokens, batch_tokens = batch_tokens, precision = match.arg(precision),
    weights = match.arg(weights), device = device
  )
}

#' Does a coder read the codebook?
#'
#' The same texts are coded by the codebook as written and by others that should give the same codes (labels in another
#' order, with neutral names, a paraphrase), or that show what the codes rest on (without definitions, with the
#' definitions of each other's labels, without each single sentence). Each definition and example is also given as a
#' text, which should get its own label (Halterman and Keith 2025). In Python the coder may be any function.
#'
#' @param coder A decoder: a folder or a hub name, such as `"Qwen/Qwen3-0.6B"`.
#' @param variable The variable; may be left out where the codebook has only one.
#' @param paraphrase The same codebook in other words, an [at_codebook()] or its file; its labels have the same codes.
#' @param n How many texts are coded, drawn at random where there are more; `NULL` for all.
#' @param orders In how many other orders the labels are given.
#' @param ablation Whether each sentence of each definition, and of the instruction, is left out in turn.
#' @param seed Of the draw and of the orders.
#' @param options Options of [at_zero_shot()], such as `list(template = "plain")`.
#' @param x What `at_test_codebook()` gave.
#' @param main,... The heading, and further graphical parameters.
#' @inheritParams at_tune
#' @return An object of class `at_codebook_test`: a list with `tests` (the share of codes that change in each test, with
#'   95 % limits), `sentences` (the same for each sentence that was left out), `recognized` (the answer to each definition
#'   and example), `moves` (from which label to which), `codings` (all codings, by a coder for each variant), and the
#'   findings in `words`. `plot()` draws the shares.
#' @examples
#' # A decoder is a download of a gigabyte or more.
#' if (interactive()) {
#'   data <- at_demo(n = 60, n_coded = 40)
#'   tested <- at_test_codebook(data$corpus, data$codebook, "Qwen/Qwen3-0.6B")
#'   plot(tested)
#' }
#' @export
at_test_codebook <- function(corpus, codebook, coder, variable = NULL, paraphrase = NULL, n = 100, orders = 3,
                             ablation = TRUE, seed = 1, unit_id = "unit_id", text = "text", options = NULL) {
  at_call(
    "test_codebook",
    corpus = corpus_to_python(corpus, unit_id, text), codebook = codebook, coder = as_path(coder), variable = variable,
    paraphrase = if (is_path(paraphrase)) as_path(paraphrase) else paraphrase, n = n, orders = orders,
    ablation = ablation, seed = seed, options = if (!is.null(options)) as.list(options)
  )
}

#' @rdname at_test_codebook
#' @export
plot.at_codebook_test <- function(x, main = NULL, ...) {
  left_out <- utils::head(x$sentences, MOST_ROWS)
  shown <- rbind(x$tests[c("variant", "share", "ci_low", "ci_high")], left_out[c("variant", "share", "ci_low", "ci_high")])
  shown <- shown[!is.na(shown$share), ]
  draw_intervals(
    shown$variant, shown$share, shown$ci_low, shown$ci_high,
    xlab = "Share of codes that change (95 % interval)", main = main, ...
  )
  invisible(shown)
}

#' @export
print.at_codebook_test <- function(x, ...) {
  say(x$words)
  print_brief(x$tests, c("variant", "n_units", "changed", "share", "ci_low", "ci_high"))
  if (nrow(x$sentences)) print_brief(x$sentences, c("part", "sentence", "changed", "share", "move"))
  invisible(x)
}

#' @export
tidy.at_codebook_test <- function(x, ...) x$tests

#' Hand a model to other programs
#'
#' The export is run by its own program and compared with the model before it is handed out.
#'
#' @param model A model from [at_tune()] or [at_load()].
#' @param path A new folder, or for `"gguf"` a file.
#' @param format `"merged"` (all weights, for sentence-transformers or transformers), `"adapter"` (what tuning changed,
#'   for peft), `"onnx"` (for ONNX Runtime), `"gguf"` (for llama.cpp).
#' @param texts Texts to compare on, best the held-out ones.
#' @param tolerance The largest accepted difference of a probability; log-odds may differ by four times as much.
#' @param check Whether to run the export.
#' @param quantization Of gguf: `"f32"`, `"f16"` or `"q8_0"`.
#' @param base For the formats that need it: where the base model is.
#' @return An object of class `at_exported`: a list with `path`, `format`, `parity`.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(n = 60, n_coded = 40)
#' gold <- at_resolve(at_codings(data$coders["anna"], data$codebook))
#' model <- at_tune(data$corpus, gold, data$codebook, method = "probe", folds = 2, n_boot = 0)
#' at_export(model, file.path(tempdir(), "merged"))
#' }
#' @export
at_export <- function(model, path, format = c("merged", "adapter", "onnx", "gguf"), texts = NULL, tolerance = NULL,
                      check = TRUE, quantization = NULL, base = NULL) {
  require_model(model)
  at_call(
    "Classifier.export",
    self = model, path = as_path(path), format = match.arg(format), texts = several(texts), tolerance = tolerance,
    check = check, quantization = quantization, base = as_path(base)
  )
}
