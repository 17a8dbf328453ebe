#' Let a model propose codes
#'
#' A model behind an endpoint, a decoder, a tuned model or a dictionary codes texts as one more coder. What the study's
#' store has already is not asked again, also after a run that was stopped; nothing is sent to a host that is not named.
#'
#' @param model The name of a model behind an endpoint; a model from [at_tune()]; for `provider = "decoder"` a folder or a
#'   hub name; for a dictionary a data frame or a file with the columns `label` and `words` or `regex`.
#' @param store The study's store (`.annotune`); made where there is none.
#' @param variable Which of the codebook's variables; by default all of them, in one question.
#' @param provider Which kind of model it is; by default what `model` looks like.
#' @param endpoint The address of an OpenAI-compatible endpoint, such as `"http://localhost:8000/v1"`; by default OpenAI's.
#' @param key The name of the environment variable that holds the key, or `"keyring:service/user"`; never the key itself.
#' @param allow_upload The hosts to which texts may be sent. This machine needs no leave.
#' @param redact What is replaced before a text is sent: `"names"`, `"mails"`, `"phones"`, `"handles"`, `"urls"`, `"ids"`.
#' @param names_model,region The model for spaCy that finds names, and the country of telephone numbers without a code.
#' @param coder The model's name in tables of codings.
#' @param drawn Only texts that were drawn (see [at_sample()]).
#' @param examples How many of the codebook's examples of each label the model is shown.
#' @param evidence Of a tuned model: whether the passage that decided is kept with each label; the coding page shows it
#'   where it shows the proposal. It changes no answer.
#' @param reasons Whether a short reason is asked for as well.
#' @param schema,probabilities Whether answers are held to the codebook by a JSON schema, and log-probabilities asked for.
#' @param temperature,seed,max_tokens As the endpoint takes them.
#' @param concurrency,requests_per_minute,tokens_per_minute,retries,timeout How many questions are in flight, how many
#'   may leave in a minute, how often each is tried again, and for how many seconds an answer is awaited.
#' @param price,max_cost Dollars per million tokens read and written, where the package knows none; and how many dollars
#'   the run may cost, which must be said where something is to be paid.
#' @param batch Hand the questions in as a batch; the same call, later, collects the answers.
#' @param again How many texts are asked about a second time, to see how far the model agrees with itself.
#' @param dry_run Only the plan: nothing is sent.
#' @param device Of a decoder or a tuned model: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
#' @inheritParams at_tune
#' @return An object of class `at_proposals`: a list with `coder`, `codings` (a row per text and variable, with its
#'   status), `requests` (what came back for each text, and what it took), `reasons`, `plan` (calls, tokens, seconds,
#'   cost), `cost`, `agreement` (of the model with itself), `ledger` (what was sent where) and `store`.
#' @examplesIf at_available()
#' corpus <- data.frame(unit_id = c("a", "b"), text = c("More nurses!", "The court has ruled."))
#' codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
#' words <- data.frame(label = c("Health", "Law"), words = c("nurse*, hospital*", "court*"))
#' at_propose(corpus, codebook, words, store = tempfile(fileext = ".annotune"))
#' @export
at_propose <- function(corpus, codebook, model, store, variable = NULL, provider = NULL, endpoint = NULL, key = NULL,
                       allow_upload = NULL, redact = NULL, names_model = NULL, region = NULL, coder = NULL,
                       drawn = FALSE, examples = 0, evidence = FALSE, reasons = FALSE, schema = TRUE,
                       probabilities = TRUE, temperature = 0, seed = 1, max_tokens = 1024, concurrency = 8,
                       requests_per_minute = NULL, tokens_per_minute = NULL, retries = 5, timeout = 60,
                       price = NULL, max_cost = NULL, batch = FALSE, again = 0, dry_run = FALSE, device = "auto",
                       unit_id = "unit_id", text = "text") {
  at_call(
    "propose",
    corpus = corpus_to_python(corpus, unit_id, text), codebook = codebook,
    model = if (is.data.frame(model)) frame_to_python(model) else model, store = as_path(store),
    variable = several(variable), provider = provider, endpoint = endpoint, key = key,
    allow_upload = several(allow_upload), redact = several(redact), names_model = names_model, region = region,
    coder = coder, drawn = drawn, examples = examples, evidence = evidence, reasons = reasons, schema = schema,
    probabilities = probabilities, temperature = temperature, seed = seed, max_tokens = max_tokens,
    concurrency = concurrency, requests_per_minute = requests_per_minute, tokens_per_minute = tokens_per_minute,
    retries = retries, timeout = timeout, price = several(price), max_cost = max_cost, batch = batch, again = again,
    dry_run = dry_run, device = device
  )
}

#' @export
print.at_proposals <- function(x, ...) {
  plan <- x$plan
  sent <- nrow(x$ledger)
  if (!is.null(plan$seconds) && sent == 0 && plan$calls > 0) {
    cost <- if (is.null(plan$cost)) "at a price that is not known" else sprintf("for about %.2f dollars", plan$cost)
    say(sprintf("%s: %d calls to %s, %s. Nothing was sent.", x$coder, as.integer(plan$calls), plan$host, cost))
    return(invisible(x))
  }
  say(sprintf("Proposals by %s, in %s", x$coder, basename(unlist(x$store))))
  counts <- as.data.frame(table(variable = x$codings$variable, status = x$codings$status), responseName = "rows")
  print_brief(tibble::as_tibble(counts[counts$rows > 0, ]))
  if (sent) {
    hosts <- toString(sort(unique(x$ledger$host)))
    say(sprintf("Sent to %s: %d questions, %.0f characters", hosts, sent, sum(x$ledger$characters)))
  }
  if (!is.null(x$cost) && x$cost > 0) say(sprintf("It did cost %.4f dollars.", x$cost))
  if (nrow(x$agreement)) print_brief(x$agreement)
  invisible(x)
}
