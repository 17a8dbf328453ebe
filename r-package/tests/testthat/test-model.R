test_that("a formula tunes a model, in the order of the levels", {
  skip_if_no_python(tuning = TRUE)
  model <- quick_model()
  expect_identical(model$labels, c("Health", "Economy"))
  data <- coded_texts()
  found <- predict(model, data)
  expect_identical(names(found), c("unit_id", ".pred_class"))
  expect_identical(found$unit_id, data$id)
  expect_identical(levels(found$.pred_class), c("Health", "Economy"))
  expect_gt(mean(found$.pred_class == data$topic), 0.9)
})

test_that("probabilities sum to one, and rows stay where they are, NA among them", {
  skip_if_no_python(tuning = TRUE)
  suppressWarnings(found <- predict(quick_model(), c("A nurse.", NA, "A tax.", NA), type = "prob"))
  expect_identical(names(found), c("unit_id", ".pred_Health", ".pred_Economy"))
  expect_equal(found$.pred_Health + found$.pred_Economy, c(1, NA, 1, NA))
  expect_identical(nrow(predict(quick_model(), character())), 0L)
  expect_identical(nrow(predict(quick_model(), coded_texts()[1, ])), 1L)
})

test_that("NA labels are dropped and counted, unseen levels refused", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()
  data$topic[1:3] <- NA
  expect_warning(
    at_tune(topic ~ question, data, method = "probe", test = 0, n_boot = 0),
    "3 of 40 texts have no label", class = "annotune_warning"
  )
  data <- coded_texts()
  data$topic <- factor(replace(as.character(data$topic), 1, "Sport"))
  expect_error(predict(quick_model(), data), "'Sport'", class = "annotune_error")
})

test_that("the data-frame form codes a corpus as the formula does", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()
  book <- at_codebook(data$topic, "topic")
  gold <- tibble::tibble(unit_id = data$id, variable = "topic", label = as.character(data$topic))
  model <- at_tune(
    data, gold, book,
    unit_id = "id", text = "question", method = "probe", folds = 2, n_boot = 100
  )
  expect_identical(model$card$model_sha256, quick_model()$card$model_sha256)
  coded <- at_classify(model, data, unit_id = "id", text = "question")
  expect_identical(coded$unit_id, data$id)
  expect_identical(coded$label, as.character(predict(model, data)$.pred_class))
  path <- withr::local_tempfile(fileext = c(".csv", ".dta"))
  utils::write.csv(data[c("id", "question")], path[1], row.names = FALSE)
  counts <- at_classify(model, path[1], unit_id = "id", text = "question", path = path[2])
  expect_identical(sum(counts$n), 40L)
  written <- haven::read_dta(path[2])
  expect_identical(as.character(haven::as_factor(written$topic)), coded$label)
  expect_identical(attr(written$topic_prob, "label"), "topic: the coder's probability for its label")
  expect_identical(attr(written$topic_p_Health, "label"), "topic: the coder's probability for Health")
})

test_that("a labelled data frame keeps its labels in a file of codes, beside those of the codes", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()[c("id", "question", "district")]
  attr(data$question, "label") <- "What was asked"
  attr(data$district, "label") <- "Of the member"
  path <- withr::local_tempfile(fileext = ".dta")
  at_classify(quick_model(), data, unit_id = "id", text = "question", path = path)
  written <- haven::read_dta(path)
  expect_identical(attr(written$district, "label"), "Of the member")
  expect_identical(attr(written$topic_prob, "label"), "topic: the coder's probability for its label")
})

test_that("the passage that decided comes with each text, in a table and in a file", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()[1:6, c("id", "question")]
  coded <- at_classify(quick_model(), data, unit_id = "id", text = "question", evidence = TRUE)
  expect_identical(coded$evidence, data$question)
  expect_identical(as.numeric(coded$evidence_share), rep(1, 6))
  expect_identical(as.numeric(coded$evidence_end), as.numeric(nchar(data$question)))
  path <- withr::local_tempfile(fileext = ".dta")
  at_classify(quick_model(), data, unit_id = "id", text = "question", path = path, evidence = TRUE)
  written <- haven::read_dta(path)
  expect_identical(as.character(written$topic_evidence), data$question)
  expect_match(attr(written$topic_evidence, "label"), "^topic: ")
})

test_that("a model is saved, outlives its session, and is read again", {
  skip_if_no_python(tuning = TRUE)
  folder <- file.path(withr::local_tempdir(), "model")
  saved <- at_save(quick_model(), folder)
  expect_identical(predict(at_load(folder), "A nurse."), predict(saved, "A nurse."))
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(saved, file)
  expect_message(again <- predict(readRDS(file), "A nurse."), "of another session")
  expect_identical(again, predict(saved, "A nurse."))
  saveRDS(quick_model(), file)
  expect_error(predict(readRDS(file), "A nurse."), "outlived", class = "annotune_error")
  expect_error(at_load(tempdir()), "no model", class = "annotune_error")
})

test_that("models tidy, glance, augment, print and draw", {
  skip_if_no_python(tuning = TRUE)
  model <- quick_model()
  expect_true(all(c("model", "measure", "estimate") %in% names(tidy(model))))
  expect_identical(nrow(glance(model)), 1L)
  data <- coded_texts()
  beside <- augment(model, data)
  expect_identical(names(beside)[seq_along(data)], names(data))
  expect_identical(beside$.pred_class, predict(model, data)$.pred_class)
  expect_warning(again <- augment(model, beside), "replaced", class = "annotune_warning")
  expect_identical(again, beside)
  expect_output(print(model), "most frequent label")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  counts <- plot(model)
  expect_identical(sum(counts), 40)
  expect_identical(plot(model, type = "labels")$label, c("Health", "Economy"))
})

test_that("bases with a short name are a tibble of figures", {
  skip_if_no_python(tuning = FALSE)
  table <- at_bases()
  expect_identical(table$base, c("minilm", "multilingual"))
  expect_identical(table$extra, c(NA, "multilingual"))
  expect_true(table$installed[1])
  expect_type(table$macro_f1_dutch, "double")
})

test_that("shares of a corpus stand beside those held out, and what texts were drawn with is said", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()
  model <- quick_model()
  table <- at_shares(model, suppressWarnings(at_classify(model, data, unit_id = "id", text = "question")))
  expect_identical(table$label, c("Health", "Economy"))
  expect_equal(table$people, c(0.5, 0.5))
  expect_equal(sum(table$corpus), 1)
  expect_identical(table$n_corpus, c(40L, 40L))
  expect_error(at_shares(data, data), "no model", class = "annotune_error")
  data$chance <- ifelse(data$topic == "Health", 0.9, 0.3)
  weighted <- at_tune(
    topic ~ question, data,
    unit_id = "id", method = "probe", folds = 2, n_boot = 0, pi = "chance", cutoffs = "likeliest"
  )
  expect_identical(weighted$card$drawn$pi, "chance")
  expect_identical(weighted$card$choices$rule, "likeliest")
  expect_equal(unlist(weighted$card$shares$people), c(0.25, 0.75))
  book <- at_codebook(data$topic, "topic")
  gold <- tibble::tibble(unit_id = data$id, variable = "topic", label = as.character(data$topic))
  picked <- at_tune(
    data, gold, book,
    unit_id = "id", text = "question", method = "probe", folds = 2, n_boot = 0, prevalence = c(Health = 0.1)
  )
  expect_equal(unlist(picked$card$shares$people), c(0.1, 0.9))
  expect_error(
    at_tune(data, gold, book, unit_id = "id", text = "question", prevalence = c(Helth = 0.1)), "Did you mean 'Health'",
    class = "annotune_error"
  )
  crowd <- rbind(gold, gold, gold)
  crowd$coder <- rep(c("anna", "ben", "cleo"), each = nrow(gold))
  crowd$label[crowd$coder == "cleo"] <- "Economy"
  crowd$label[crowd$coder == "anna" & seq_len(nrow(crowd)) %% 2 == 0] <- "Health"
  codings <- at_codings(crowd, book)
  by_coder <- at_tune(
    data, at_resolve(codings, "shares", codebook = book), book,
    unit_id = "id", text = "question", method = "probe", folds = 2, n_boot = 0, coders = codings
  )
  expect_identical(by_coder$coder_scores$coder, c(NA, "anna", "ben", "cleo"))
  expect_true(all(by_coder$coder_scores$offered))
  expect_output(print(by_coder), "says it for anna, ben, cleo.", fixed = TRUE)
  expect_output(summary(by_coder), "log_score_as_coder")
  as_coder <- function(name) at_classify(by_coder, data, unit_id = "id", text = "question", coder = name)
  expect_true(all(as_coder("anna")$p_Health > as_coder("cleo")$p_Health))
  expect_error(as_coder("dora"), "without answers of a coder 'dora'", class = "annotune_error")
  shares <- suppressWarnings(at_prevalence(
    data.frame(unit_id = data$id, topic = data$topic, topic_gold = data$topic),
    pi = 0.5, codings = codings, methods = "hand"
  ))
  expect_equal(shares$estimate[shares$label == "Economy"], mean(crowd$label == "Economy"))
  expect_error(
    at_prevalence(
      data.frame(unit_id = data$id, topic = data$topic, topic_gold = data$topic),
      pi = 0.5, codings = codings, coders = "any"
    ), "3 coders say too little",
    class = "annotune_error"
  )
  own <- data.frame(unit_id = data$id, topic = data$topic, topic_gold = data$topic)
  fit <- at_correct(topic == "Economy" ~ 1, own, pi = 1, codings = codings, method = "none")
  expect_equal(coef(fit, "hand-coded only")[[1]], mean(crowd$label == "Economy"))
  expect_match(fit$notes[[1]], "share of coders who would say so, of these 3")
  expect_error(
    at_correct(topic == "Economy" ~ 1, own, pi = 1, codings = codings, coders = "any"), "3 coders say too little",
    class = "annotune_error"
  )
  crossed <- at_crossfit(
    data[c("id", "question", "chance")], gold, book,
    unit_id = "id", text = "question", method = "probe", folds = 2, pi = "chance"
  )
  expect_equal(crossed$data$chance, data$chance)
  expect_equal(unlist(crossed$model$card$shares$people), c(0.25, 0.75))
})

test_that("sets of labels are lists of labels", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()
  data$topics <- lapply(seq_len(40), function(i) if (i %% 8 == 0) character() else as.character(data$topic[i]))
  data$topics[[40]] <- NA
  expect_warning(
    model <- at_tune(topics ~ question, data, method = "probe", folds = 2, n_boot = 0), "1 of 40 texts have no label"
  )
  found <- predict(model, data)$.pred_class
  expect_type(found, "list")
  expect_true(all(unlist(found) %in% c("Health", "Economy")))
  expect_error(plot(model), "no confusion", class = "annotune_error")
})

test_that("formulas that cannot be read say why", {
  expect_error(at_tune(~text, data.frame(text = "a")), "no left side", class = "annotune_error")
  expect_error(at_tune(topic ~ txt, data.frame(topic = c("a", "b"))), "'txt' cannot be found", class = "annotune_error")
  expect_error(at_tune(a ~ text, data.frame(a = c("x", "y"))), "'text' cannot be found", class = "annotune_error")
  expect_error(at_tune(n ~ text, data.frame(n = 1, text = "a")), "Make it a factor", class = "annotune_error")
  expect_error(at_tune(a ~ b, data.frame(a = c("x", "y"), b = 1)), "not texts", class = "annotune_error")
})

test_that("a model reads what stands beside a text, and asks for it by name", {
  skip_if_no_python(tuning = TRUE)
  asked <- rep(c("Should hospitals get more money?", "May wolves be shot?"), 20)
  texts <- data.frame(unit_id = sprintf("r%d", 1:40), question = asked, text = "I agree.")
  labels <- rep(c("Health", "Wolves"), 20)
  gold <- data.frame(unit_id = texts$unit_id, variable = "topic", label = labels)
  book <- at_codebook(factor(labels), "topic")
  model <- at_tune(texts, gold, book, text = c("question", "text"), test = 0, method = "probe", n_boot = 0)
  expect_equal(at_classify(model, texts)$label, labels)
  expect_error(at_classify(model, texts[c("unit_id", "text")]), "question")
})

test_that("a formula's text is read with its neighbours and a target, for tuning and for predictions", {
  skip_if_no_python(tuning = TRUE)
  asked <- c("Should hospitals get more money?", "May wolves be shot?")
  data <- data.frame(
    last = rep(asked, 15), answer = "I agree.", on = rep(c("people", "animals"), 15),
    topic = factor(rep(c("Health", "Wolves"), 15))
  )
  model <- at_tune(
    topic ~ answer, data, text = c("last", "answer"), target = "on", method = "probe", test = 0, n_boot = 0
  )
  expect_identical(as.character(predict(model, data)$.pred_class), as.character(data$topic))
  expect_identical(as.character(augment(model, data)$.pred_class), as.character(data$topic))
  expect_error(predict(model, data["answer"]), "no column 'last'", class = "annotune_error")
  expect_error(predict(model, "I agree."), "no column 'last'", class = "annotune_error")
  expect_error(at_tune(topic ~ answer, data, text = "last"), "among its neighbours", class = "annotune_error")
})
