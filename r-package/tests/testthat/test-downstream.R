test_that("a correction undoes errors that depend on a covariate", {
  skip_if_no_python()
  set.seed(1)
  x <- rep(c(FALSE, TRUE), each = 5000)
  y <- stats::rbinom(10000, 1, 0.3 + 0.1 * x)
  y_hat <- ifelse(stats::runif(10000) < ifelse(x, 0.3, 0.1), 1 - y, y)
  coded <- stats::runif(10000) < 0.3
  data <- data.frame(x, y_hat, y_gold = ifelse(coded, y, NA), odd = I(as.list(seq_along(x))))
  fit <- at_correct(y ~ x, data, pi = 0.3)
  # the hand-made estimator: least squares on the corrected outcome, HC0
  pseudo <- y_hat + coded / 0.3 * (y - y_hat)
  expect_equal(unname(coef(fit)), unname(stats::coef(stats::lm(pseudo ~ x))), tolerance = 1e-8)
  design <- cbind(1, x)
  bread <- solve(crossprod(design))
  residual <- stats::resid(stats::lm(pseudo ~ x))
  sandwich <- bread %*% crossprod(design * residual) %*% bread
  expect_equal(unname(vcov(fit)), sandwich, tolerance = 1e-8, ignore_attr = TRUE)
  expect_identical(unique(tidy(fit)$method), c("hand-coded only", "naive", "corrected"))
  expect_named(tidy(fit), c("method", "equation", "term", "estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high", "n"))
  expect_identical(stats::nobs(fit), 10000L)
  columns <- at_dsl_columns(data, "y", pi = 0.3)
  expect_equal(columns$dsl_y, pseudo)
  expect_identical(columns$odd, data$odd)
})

# Land and year, coded with errors that depend on the land; a fifth of the texts by hand.
texts_of_lands <- function(n = 2000) {
  set.seed(1)
  land <- factor(sample(c("DE", "UK", "FR"), n, TRUE), levels = c("DE", "FR", "UK"))
  y <- stats::rbinom(n, 1, 0.3 + 0.1 * (land == "UK"))
  y_hat <- ifelse(stats::runif(n) < ifelse(land == "UK", 0.25, 0.1), 1 - y, y)
  data.frame(
    land, year = sample(2015:2017, n, TRUE), x = stats::rnorm(n) > 0, z = stats::rnorm(n),
    `party family` = sample(c("a:b", "East [old]", "West"), n, TRUE), y_hat,
    y_gold = ifelse(stats::runif(n) < 0.2, y, NA), check.names = FALSE
  )
}

test_that("terms are named as lm() names them, also in an .rds", {
  skip_if_no_python()
  data <- texts_of_lands()
  for (formula in list(
    y ~ land * x + factor(year), y ~ `party family`:z + x + I(z^2) + log(abs(z) + 1), y ~ 0 + land + z,
    y ~ poly(z, 2) + (land == "UK"), y ~ factor(year):z + land, y ~ 1
  )) {
    fit <- at_correct(formula, data, pi = 0.2)
    expect_setequal(names(coef(fit)), colnames(stats::model.matrix(formula[-2], data)))
  }
  fit <- at_correct("y ~ land + x | year", data, pi = 0.2)
  expect_identical(names(coef(fit)), c("landFR", "landUK", "xTRUE"))
  expect_identical(rownames(vcov(fit)), names(coef(fit)))
  expect_output(print(fit), "landUK")
  expect_no_match(utils::capture.output(print(at_correct(y ~ land, data, pi = 0.2))), "[", fixed = TRUE)
  files <- file.path(withr::local_tempdir(), c("fit.rds", "fit.csv"))
  at_write(fit, files)
  expect_equal(coef(readRDS(files[1])), coef(fit))
  expect_identical(unique(utils::read.csv(files[2])$term), c("land[FR]", "land[UK]", "x"))
})

test_that("notes name terms as R does, and advice is apart from them", {
  skip_if_no_python()
  data <- texts_of_lands(400)
  fit <- at_correct(y ~ land, data, pi = 0.2)
  notes <- paste(unlist(fit$notes), collapse = " ")
  expect_match(notes, "'(Intercept)'", fixed = TRUE)
  expect_no_match(notes, "'Intercept'|land\\[")
  expect_true("Code more texts by hand." %in% unlist(fit$advice))
  expect_no_match(notes, "Code more texts", fixed = TRUE)
  expect_output(print(fit), "To do: .*Code more")
  expect_output(print(fit), "'(Intercept)'", fixed = TRUE)
})

test_that("coefficients are tested together, and differences have intervals", {
  skip_if_no_python()
  data <- texts_of_lands()
  fit <- at_correct(y ~ land + z, data, pi = 0.2)
  joint <- at_joint_test(fit, "land")
  expect_identical(joint$method, c("hand-coded only", "naive", "corrected"))
  expect_identical(joint$terms[3], "landFR, landUK")
  beta <- coef(fit)[c("landFR", "landUK")]
  statistic <- drop(beta %*% solve(vcov(fit)[names(beta), names(beta)], beta))
  expect_equal(joint$statistic[3], statistic, tolerance = 1e-8)
  expect_equal(joint$p_value[3], stats::pchisq(statistic, 2, lower.tail = FALSE), tolerance = 1e-8)
  expect_null(fit$margins)
  logit <- at_correct(y ~ land + z, data, pi = 0.2, model = "logit")
  expect_identical(logit$margins$term[logit$margins$method == "naive"], c("landFR", "landUK", "z"))
  peer <- stats::glm(y_hat ~ land + z, stats::binomial(), data)
  slope <- mean(stats::dlogis(stats::predict(peer))) * stats::coef(peer)[["z"]]
  found <- logit$margins[logit$margins$method == "naive" & logit$margins$term == "z", ]
  expect_equal(found$estimate, slope, tolerance = 1e-6)
  difference <- at_contrast(fit, "landUK - landFR")
  expect_equal(difference$estimate[3], unname(beta[2] - beta[1]))
  expect_equal(at_contrast(fit, c(landUK = 1, landFR = -1))$std_error, difference$std_error)
  expect_identical(at_joint_test(split(fit)$naive, c("landFR", "z"))$method, "naive")
  expect_error(at_contrast(fit, "landXY - landFR"), "landXY", class = "annotune_error")
})

test_that("each method can be had alone, by packages that print regressions beside each other", {
  skip_if_no_python()
  data <- texts_of_lands()
  fit <- at_correct(y ~ land, data, pi = 0.2)
  hand <- tidy(fit, method = "hand-coded only")
  expect_identical(unique(hand$method), "hand-coded only")
  expect_identical(hand$term, c("(Intercept)", "landFR", "landUK"))
  expect_error(tidy(fit, method = "hand"), "no estimates by 'hand'", class = "annotune_error")
  expect_error(tidy(fit, conf.level = 0.9), "level = 0.9", class = "annotune_error")
  expect_false(any(c("conf.low", "conf.high") %in% names(tidy(fit, conf.int = FALSE))))
  parts <- split(fit)
  expect_named(parts, c("hand-coded only", "naive", "corrected"))
  expect_identical(class(parts), "list") # a list that is an object itself would be taken for one regression
  for (name in names(parts)) {
    found <- tidy(parts[[name]], conf.int = TRUE, conf.level = 0.95)
    expect_identical(anyDuplicated(found$term), 0L)
    expect_identical(found, tidy(fit, method = name))
    expect_identical(coef(parts[[name]]), coef(fit, method = name))
    expect_identical(glance(parts[[name]])$nobs, max(found$n))
  }
  expect_identical(nrow(glance(fit)), 1L)
  expect_identical(glance(fit)$nobs, nrow(data))
  expect_output(print(parts$naive), "\n +Naive\n")
  expect_output(print(fit), "Hand-coded only +Naive +Corrected")
  expect_output(print(fit, layout = "stacked"), "hand-coded only .*\n +naive ")
})

test_that("coefficients and shares are drawn by method", {
  skip_if_no_python()
  data <- texts_of_lands()
  fit <- at_correct(y ~ land, data, pi = 0.2)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  before <- graphics::par("mar")
  expect_identical(unique(plot(fit)$term), c("landFR", "landUK"))
  expect_identical(unique(plot(fit, intercept = TRUE, methods = "naive")$method), "naive")
  data$topic <- ifelse(data$y_hat == 1, "war", "trade")
  data$topic_gold <- ifelse(data$y_gold == 1, "war", "trade")
  shares <- at_prevalence(data, "topic", pi = 0.2, time = "year", methods = c("count", "hand", "dsl"))
  drawn <- plot(shares, labels = "war")
  expect_identical(unique(drawn$method), c("count", "dsl")) # as Python draws them
  expect_identical(sort(unique(drawn$year)), 2015:2017)
  expect_identical(unique(plot(shares, methods = "hand", time = NULL)$method), "hand")
  expect_error(plot(shares, labels = "peace"), "no label 'peace'", class = "annotune_error")
  expect_identical(graphics::par("mar"), before)
  twelve <- transform(shares[rep(seq_len(nrow(shares)), each = 12), ], part = letters[1:12])
  twelve <- structure(twelve[c("part", names(shares))], class = class(shares), time = "year")
  expect_error(plot(twelve), "24 panels do not fit", class = "annotune_error")
})

test_that("shares, errors and plans are answered", {
  skip_if_no_python()
  truth <- rep(c("war", "trade"), c(30, 70))
  data <- data.frame(
    topic = ifelse(seq_along(truth) %% 3 == 1, "trade", truth),
    topic_gold = ifelse(seq_along(truth) %% 2 == 1, truth, NA), side = rep(c("l", "r"), 50)
  )
  found <- at_prevalence(data, pi = 0.5, methods = c("count", "dsl"))
  expect_equal(found$estimate[found$label == "war"], c(0.2, 0.3), tolerance = 1e-9)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(nrow(plot(found)), nrow(found))
  expect_identical(class(tidy(found))[1], "tbl_df")
  wrong <- data.frame(side = rep(c("left", "right"), each = 60), y_gold = 1)
  wrong$y_hat <- as.integer(seq_len(120) %% ifelse(wrong$side == "left", 10, 3) != 0)
  errors <- at_error_model(wrong, ~side)
  expect_match(errors$verdict, "side = right")
  expect_identical(glance(errors)$n_wrong, as.integer(sum(wrong$y_hat == 0)))
  truth <- rep(c(1, 0, 0, 0), 500)
  pilot <- data.frame(y_hat = ifelse(seq_along(truth) %% 10 == 4, 1 - truth, truth))
  pilot$y_gold <- ifelse(seq_along(truth) <= 200, truth, NA)
  plan <- at_plan_sample(pilot, target = 0.02, label = "1", of = "population")
  expect_identical(plan$n, 281L)
  expect_identical(glance(plan)$n, 281L)
  expect_identical(tidy(plan)$n_needed, 281L)
  # of the corpus itself, only the error of the tenth that is wrong counts: 0.1 (1 / n - 1 / 2000) = 0.02^2
  expect_identical(at_plan_sample(pilot, target = 0.02, label = "1")$n, 223L)
  expect_identical(unique(plan$designs$design), c("simple", "stratified", "active"))
  expect_identical(plan$designs$n_needed[1], 281L)
  expect_identical(at_plan_sample(pilot, effect = 0.02 * (qnorm(0.975) + qnorm(0.8)), label = "1")$n, 223L)
  expect_true(all(c("std_error_active", "std_error_stratified") %in% names(plot(plan))))
  expect_error(plot(plan, estimate = "2"), "no estimate '2'", class = "annotune_error")
})

test_that("evidence on models comes with words and pictures", {
  skip_if_no_python()
  gold <- data.frame(unit_id = letters[1:4], label = c("x", "x", "y", "y"))
  said <- transform(gold, label = c("x", "x", "y", "x"), prob = c(0.9, 0.9, 0.6, 0.6))
  found <- at_calibration(said, gold, n_boot = 0)
  expect_equal(found$scores$estimate[found$scores$measure == "ece"], 0.1)
  book <- at_codebook(factor("x", levels = c("x", "y")), variable = "v")
  beside <- data.frame(unit_id = said$unit_id, v = said$label, v_prob = said$prob)
  truth <- transform(gold, variable = "v")
  expect_identical(at_calibration(beside, truth, codebook = book, n_boot = 0)$scores, found$scores)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(plot(found)$n, c(2L, 2L))
  expect_equal(glance(found)$ece, 0.1)
  compared <- at_compare(list(a = gold, b = said), gold, n_boot = 0)
  expect_true(all(c("a", "b") %in% compared$measures$model))
  expect_output(print(compared), "has the highest macro-F1")
  expect_output(print(summary(compared)), "has the highest macro-F1")
  expect_true(all(c("a", "b") %in% plot(compared)$model))
})

test_that("results print in a few lines that fit, and say it in R's words", {
  skip_if_no_python()
  withr::local_options(width = 80)
  printed <- function(x) utils::capture.output(print(x))
  data <- texts_of_lands()
  data$topic <- ifelse(data$y_hat == 1, "war", "trade")
  data$topic_gold <- ifelse(is.na(data$y_gold), NA, ifelse(data$y_gold == 1, "war", "trade"))
  shares <- at_prevalence(data, "topic", pi = 0.2, methods = c("count", "hand", "dsl"))
  lines <- printed(shares)
  expect_match(lines[1], "^label +count +hand +dsl$")
  expect_match(lines[2:3], "\\([0-9.]+ to [0-9.]+\\)$")
  expect_match(lines[4], "2,000 texts, [0-9]+ of them coded by hand")
  counted <- at_prevalence(data["topic"], "topic", methods = "count") # which needs no hand codings
  expect_equal(counted$estimate, shares$estimate[shares$method == "count"])
  expect_error(at_prevalence(data["topic"], "topic"), "ask for `?methods = 'count'", class = "annotune_error")
  few <- paste(printed(at_prevalence(data[1:400, ], "topic", pi = 0.2, by = "land", methods = "hand")), collapse = " ")
  expect_match(few, "hand (DE, war; ", fixed = TRUE) # which shares a note is about
  expect_match(few, ": few hand-coded texts have this label", fixed = TRUE)
  expect_no_match(paste(lines, collapse = " "), "count (", fixed = TRUE) # where it is about all of a method, nothing
  data$half <- rep(1:2, length.out = nrow(data))
  by <- c("land", "half")
  many <- printed(at_prevalence(data, "topic", pi = 0.2, by = by, time = "year", methods = c("count", "dsl")))
  expect_match(many, "more rows", all = FALSE)
  expect_lt(length(many), 30)
  expect_output(print(shares[c("label", "estimate")]), "tibble") # of chosen columns those, as they are
  expect_match(printed(at_error_model(data, ~land, "topic"))[1], "^Errors about ")
  expect_match(printed(at_plan_sample(data, "topic", target = 0.02))[1], "texts coded by hand")
  gold <- data.frame(unit_id = letters[1:4], label = c("x", "x", "y", "y"))
  said <- transform(gold, label = c("x", "x", "y", "x"), prob = c(0.9, 0.9, 0.6, 0.6))
  expect_match(printed(at_calibration(said, gold, n_boot = 0))[1], "stated probability")
  for (lines in list(many, printed(at_compare(list(a = gold, b = said), gold, n_boot = 0)))) {
    expect_true(all(nchar(lines) <= 80))
  }
  expect_identical(tidy(at_error_model(data, ~land, "topic"))$term, c("(Intercept)", "landFR", "landUK"))
})

test_that("crossfit and learning curves run from R", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()
  data$pi <- 0.5
  data$party <- factor(rep(c("b", "a"), 20), levels = c("b", "a"))
  gold <- data.frame(unit_id = data$id[1:30], variable = "topic", label = as.character(data$topic[1:30]))
  done <- at_crossfit(
    data[c("id", "question", "pi", "party")], gold, at_codebook(data$topic, "topic"),
    folds = 2, method = "probe", unit_id = "id", text = "question"
  )
  expect_identical(done$data$party, data$party)
  expect_identical(sum(done$data$coded), 30L)
  expect_setequal(done$data$fold, 1:2)
  left <- at_crossfit(
    data[c("id", "question", "pi", "party")], gold, at_codebook(data$topic, "topic"),
    folds = 2, uncoded = "model", method = "probe", unit_id = "id", text = "question"
  )
  expect_identical(is.na(left$data$fold), !left$data$coded)
  expect_identical(predict(done$model, "A nurse.")$unit_id, "1")
  expect_output(print(done), "40 texts, 30 of them coded by hand: 2 folds")
  curve <- at_learning_curve(
    data, data.frame(unit_id = data$id, variable = "topic", label = as.character(data$topic)),
    at_codebook(data$topic, "topic"),
    sizes = c(22, 26, 30), seeds = 1, method = "probe", n_boot = 0, unit_id = "id", text = "question"
  )
  expect_identical(sort(unique(curve$table$n)), c(22L, 26L, 30L))
  expect_output(print(curve), "macro_f1 by the number of labels")
  expect_identical(predict(curve, n = c(100, 200))$n, c(100L, 200L))
  expect_false(identical(predict(curve, n = 100, model = "most frequent label"), predict(curve, n = 100)))
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(range(curve$forecast$n), c(22L, 60L))
  expect_equal(curve$forecast[curve$forecast$n == 60, ], predict(curve, n = 60))
  # twice the largest size is drawn, for the measure that the forecast is about
  plot(curve)
  expect_gt(10^graphics::par("usr")[2], 60)
  plot(curve, measure = "accuracy")
  expect_lt(10^graphics::par("usr")[2], 60)
})

test_that("a curve has log scores beside its measure, where there are some", {
  rows <- expand.grid(n = c(22L, 40L), model = c("tuned model", "most frequent label"), stringsAsFactors = FALSE)
  rows <- cbind(rows, measure = "macro_f1", estimate = 0.5, ci_low = 0.4, ci_high = 0.6, n_units = 23L)
  curve <- structure(list(table = rows, measure = "macro_f1", words = "More are good."), class = "at_learning_curve")
  expect_false(any(grepl("log_score", capture.output(print(curve)))))
  curve$table <- rbind(rows, transform(rows[1:2, ], measure = "log_score", estimate = c(0.71, 0.62)))
  curve$table <- rbind(curve$table, transform(curve$table[6, ], model = "overall shares", estimate = 0.9))
  expect_output(print(curve), "40 +tuned model .* 0.620\n")
  expect_identical(beside_log_scores(curve)$log_score, c(0.71, 0.62, NA, NA))
  curve$measure <- "log_score"
  expect_output(print(curve), "overall shares")
})

test_that("a model that is less sure in a later year has drifted", {
  skip_if_no_python()
  codes <- data.frame(
    unit_id = sprintf("u%03d", 1:600), year = rep(2020:2022, 200), variable = "topic", label = rep(c("war", "aid"), 300)
  )
  codes$prob <- ifelse(codes$year == 2022, 0.6, 0.9) - (1:600) %% 7 / 100
  gold <- data.frame(unit_id = codes$unit_id[1:90], topic_gold = ifelse(1:90 %% 9 < 6, codes$label[1:90], "other"))
  found <- at_drift(codes, time = "year", hand_coded = gold)
  expect_s3_class(found, "at_drift")
  moved <- tidy(found)[tidy(found)$moved, ]
  expect_identical(moved$measure, c("uncertain", "certainty"))
  expect_identical(unique(moved$year), 2022L)
  right <- tapply(codes$label[1:90] == gold$topic_gold, codes$year[1:90], mean)
  expect_equal(found$table$value[found$table$measure == "accuracy"], as.numeric(right[c("2021", "2022")]))
  expect_output(print(found), "Beside 2020, 1 of 2 periods moved by more than chance")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(nrow(plot(found)), 8L)
  expect_identical(at_drift(codes, "year", reference = c(2020, 2021))$reference, c("2020", "2021"))
  expect_error(at_drift(codes, "year", reference = 2019), "no period '2019'", class = "annotune_error")
})
